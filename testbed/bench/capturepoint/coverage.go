// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// covering are the prototypes without sock_destroy: the byte counts of (a) are read after the sockets are closed.
var covering = []variant{
	{"a", "syscall", "", rawCalls},
	{"b", "packet", "", packets},
}

var dropper = variant{"drop", "empty", "", []string{"device_drop"}}

// piece is a copied stretch of one direction.
type piece struct {
	offset uint64
	bytes  []byte
}

// tally is what a prototype saw of one direction at one end.
type tally struct {
	counted uint64
	pieces  []piece
}

// observation is both directions at both ends; [end][direction], end 0 is the server's socket.
type observation struct {
	port  uint16
	socks map[uint64]int
	seen  [2][2]tally
}

func runCoverage(objects objects, web *nginx) error {
	fmt.Println("| exchange | prototype | server: request bytes, heads | server: response bytes, heads | client: request bytes | client: response bytes | wrong or twice |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, e := range exchanges {
		for _, v := range covering {
			t, o, err := observe(e, v, objects, web)
			if err != nil {
				return fmt.Errorf("exchange %s under %s: %w", e.name, v.name, err)
			}
			fmt.Printf("| %s | %s | %s, %s | %s, %s | %s | %s | %d |\n", e.what, v.name,
				o.seen[0][directionIn].share(t.Sent), o.seen[0][directionIn].heads("GET /", t.Requests),
				o.seen[0][directionOut].share(t.Received), o.seen[0][directionOut].heads("HTTP/1.1 ", t.Responses),
				o.seen[1][directionOut].share(t.Sent), o.seen[1][directionIn].share(t.Received), o.wrong(t))
		}
	}
	return nil
}

// observe runs one exchange in a child process under one prototype.
func observe(e exchange, v variant, objects objects, web *nginx) (t transcript, o observation, err error) {
	a, err := attach(v, objects)
	if err != nil {
		return t, o, err
	}
	defer a.Close()
	if e.loss {
		drop, dropErr := attach(dropper, objects)
		if dropErr != nil {
			return t, o, dropErr
		}
		defer func() { err = errors.Join(err, checkDropped(drop), drop.Close()) }()
	}
	var samples []record
	c, err := startConsumer(a.coll, func(r record) {
		r.payload = bytes.Clone(r.payload)
		samples = append(samples, r)
	})
	if err != nil {
		return t, o, err
	}
	child := exec.Command("/proc/self/exe", exchangeCommand, e.name, strconv.Itoa(int(web.port)), strconv.Itoa(int(web.deferred)))
	child.Stderr = os.Stderr
	out, err := child.Output()
	time.Sleep(2 * pollEvery)
	if err = errors.Join(err, c.stop()); err != nil {
		return t, o, err
	}
	if err := json.Unmarshal(out, &t); err != nil {
		return t, o, err
	}
	o = observation{port: t.Port, socks: map[uint64]int{}}
	for _, r := range samples {
		o.add(r)
	}
	if v.source == "syscall" {
		err = o.addCounts(a)
	}
	return t, o, err
}

// checkDropped fails when the loss did not happen: the row would prove nothing.
func checkDropped(drop *attached) error {
	var dropped uint32
	if err := drop.coll.Variables["dropped"].Get(&dropped); err != nil {
		return fmt.Errorf("read dropped packets: %w", err)
	}
	if dropped == 0 {
		return errors.New("no packet was dropped")
	}
	fmt.Fprintf(os.Stderr, "loss: %d packets dropped\n", dropped)
	return nil
}

func (o *observation) add(r record) {
	end := 0
	switch o.port {
	case r.localPort:
	case r.remotePort:
		end = 1
	default:
		return
	}
	o.socks[r.sock] = end
	for direction, counted := range []uint64{r.bytesIn, r.bytesOut} {
		o.seen[end][direction].counted = max(o.seen[end][direction].counted, counted)
	}
	if len(r.payload) > 0 {
		t := &o.seen[end][r.direction]
		t.pieces = append(t.pieces, piece{r.offset, r.payload})
	}
}

// addCounts takes the final byte counts of (a) from its map; (b) sends them with the FIN.
func (o *observation) addCounts(a *attached) error {
	var sock uint64
	var conn [48]byte
	entries := a.coll.Maps["conns"].Iterate()
	for entries.Next(&sock, &conn) {
		if end, ok := o.socks[sock]; ok {
			o.seen[end][directionIn].counted = binary.LittleEndian.Uint64(conn[0:])
			o.seen[end][directionOut].counted = binary.LittleEndian.Uint64(conn[24:])
		}
	}
	return entries.Err()
}

func (t tally) share(truth []byte) string {
	if t.counted == uint64(len(truth)) {
		return "all"
	}
	return fmt.Sprintf("%d of %d", t.counted, len(truth))
}

// heads counts the message starts in what was copied, put together in order.
func (t tally) heads(start string, sent int) string {
	slices.SortStableFunc(t.pieces, func(a, b piece) int { return int(int64(a.offset) - int64(b.offset)) })
	var text strings.Builder
	var next uint64
	for _, p := range t.pieces {
		if p.offset != next {
			text.WriteByte(0)
		}
		text.Write(p.bytes)
		next = p.offset + uint64(len(p.bytes))
	}
	return fmt.Sprintf("%d/%d", strings.Count(text.String(), start), sent)
}

// wrong counts the copied bytes that differ from the truth at their offset or were copied before.
func (o observation) wrong(t transcript) int {
	bad := 0
	for end := range o.seen {
		for direction, tally := range o.seen[end] {
			truth := t.Sent
			if end != direction {
				truth = t.Received
			}
			copied := make([]bool, len(truth))
			for _, p := range tally.pieces {
				for i, b := range p.bytes {
					at := p.offset + uint64(i)
					if at >= uint64(len(truth)) || truth[at] != b || copied[at] {
						bad++
						continue
					}
					copied[at] = true
				}
			}
		}
	}
	return bad
}
