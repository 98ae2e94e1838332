// SPDX-License-Identifier: Apache-2.0

package conn_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/probes/event"
)

// exchanges is a random connection: numbered requests, each with the status that belongs to its number, cut anywhere, with
// records lost at random.
type exchanges struct {
	r     *rand.Rand
	s     *script
	k     *sock
	loss  float64
	cut   bool         // messages are cut anywhere; else one segment is one message
	begun map[int]bool // requests whose first record was not lost
}

func statusOf(number int) int { return 200 + number%300 }

func (x *exchanges) all(n int) {
	for i := range n {
		request := fmt.Sprintf("GET /%d; HTTP/1.1\r\nHost: h\r\n\r\n", i)
		if x.r.IntN(3) == 0 {
			body := strings.Repeat("b", x.r.IntN(50))
			request = fmt.Sprintf("POST /%d; HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", i, len(body), body)
		}
		x.begun[i] = x.pieces(event.DirReceived, request) >= len("POST /00; HTTP/1.1\r\n")
		body := strings.Repeat("x", x.r.IntN(50))
		x.pieces(event.DirSent, fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", statusOf(i), len(body), body))
	}
}

// pieces passes a message in up to four segments; it returns how many bytes the record of the first told.
func (x *exchanges) pieces(dir uint8, text string) (told int) {
	for n := 0; len(text) > 0; n++ {
		size := len(text)
		if x.cut && n < 3 && x.r.IntN(2) == 0 {
			size = 1 + x.r.IntN(size)
		}
		lost := x.r.Float64() < x.loss
		x.k.segment(dir, part{head: text[:size], lost: lost})
		if n == 0 && !lost {
			told = size
		}
		text = text[size:]
	}
	return told
}

// pairs checks requests as they come.
type pairs struct {
	t        *testing.T
	seed     uint64
	reported map[string]int
}

func (p *pairs) Request(r *model.Request) {
	p.reported[r.HTTP.Path]++
	var number int
	if _, err := fmt.Sscanf(r.HTTP.Path, "/%d;", &number); err != nil {
		return // the target was cut in the middle by a loss
	}
	if r.HTTP.Status != 0 && r.HTTP.Status != statusOf(number) {
		p.t.Errorf("seed %d: %s has status %d, want %d (%s %s)",
			p.seed, r.HTTP.Path, r.HTTP.Status, statusOf(number), r.Outcome, r.Reason)
	}
}
func (p *pairs) Flow(*model.Flow, model.FlowDelta) {}
func (p *pairs) Lost(*model.Loss)                  {}
func (p *pairs) Drops(string, uint64)              {}

func run(t *testing.T, seed uint64, loss float64, cut bool) (*exchanges, *pairs) {
	p := &pairs{t: t, seed: seed, reported: map[string]int{}}
	s := newScript(conn.Default())
	s.quiet = true
	s.tracker = conn.New(conn.Default(), nobody, func(uint32) string { return "" }, p)
	x := &exchanges{r: rand.New(rand.NewPCG(seed, 7)), s: s, k: server(s), loss: loss, cut: cut, begun: map[int]bool{}}
	x.all(12)
	x.k.close(stLastAck, 0)
	return x, p
}

func TestNoRequestGetsTheAnswerOfAnotherWhateverIsLost(t *testing.T) {
	for seed := range uint64(3000) {
		run(t, seed, float64(seed%10)/20, true)
		if t.Failed() {
			return
		}
	}
}

// A request whose first record tells its target is reported, answered or not.
func TestEveryRequestWhoseTargetWasSeenIsReported(t *testing.T) {
	for seed := range uint64(2000) {
		x, p := run(t, seed, float64(seed%10)/20, false)
		for i, begun := range x.begun {
			if n := p.reported[fmt.Sprintf("/%d;", i)]; begun && n != 1 {
				t.Fatalf("seed %d: /%d; is reported %d times", seed, i, n)
			}
		}
	}
}

// busy is a random mix of many connections, listings, losses, flows and ticks.
func busy(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	s := newScript(conn.Config{MaxConns: 60, HoleTimeout: time.Second, FlowInterval: 2 * time.Second})
	s.quiet = true
	var open []*sock
	for range 1500 {
		if len(open) == 0 || r.IntN(8) == 0 {
			k := s.sock(fmt.Sprintf("10.0.0.1:%d", 40000+r.IntN(100)), there)
			if k.connect(uint32(r.IntN(5)), "curl"); r.IntN(4) > 0 {
				k.established()
			}
			open = append(open, k)
		}
		i := r.IntN(len(open))
		open[i].something(r)
		if r.IntN(30) == 0 {
			open[i].close([]uint8{stEstablished, stSynSent, stFinWait2, stLastAck}[r.IntN(4)], 0)
			open = append(open[:i], open[i+1:]...)
		}
	}
	s.stop()
	return s.text.String()
}

func (k *sock) something(r *rand.Rand) {
	switch r.IntN(12) {
	case 0:
		k.actor(uint32(r.IntN(5)), "other")
	case 1:
		k.s.tick(700 * time.Millisecond)
	case 2:
		k.dirs[1].next += 7
		k.segment(event.DirReceived, part{head: "ahead", flags: event.SegmentAhead})
	case 3:
		k.s.lost(3, 1, 1, 1)
		k.listed(0, "")
		k.s.listingEnds(k.s.now - 2*time.Second)
	case 4:
		k.lostSent(getB)
	case 5:
		k.s.udp(uint64(r.IntN(20)), uint16(30000+r.IntN(20)), 53, 1, 1)
	case 6:
		k.received(failed)
	default:
		k.sent(get).received(ok)
	}
}

func TestTheSameRecordsGiveTheSameOutput(t *testing.T) {
	for seed := range uint64(5) {
		first := busy(seed)
		for range 4 {
			again := busy(seed)
			if again == first {
				continue
			}
			a, b := strings.Split(first, "\n"), strings.Split(again, "\n")
			for i := range a {
				if i >= len(b) || a[i] != b[i] {
					t.Fatalf("seed %d, line %d of %d:\n%s\n%s", seed, i, len(a), a[i], b[i])
				}
			}
		}
	}
}

// FuzzRecords gives a tracker records of random bytes: it must not panic, and it must stay within its bounds.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{1, 0, 200, 5, 5, 5}, uint64(1))
	f.Add([]byte(strings.Repeat("\x01GET / HTTP/1.1\r\n\r\n", 20)), uint64(2))
	for seed := range uint64(8) { // what a real run consists of
		r := rand.New(rand.NewPCG(seed, 3))
		b := make([]byte, 600)
		for i := range b {
			b[i] = byte(r.IntN(12))
		}
		f.Add(b, seed)
	}
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		c := conn.Config{MaxConns: 16, HoleTimeout: time.Second, FlowInterval: time.Second}
		s := newScript(c)
		s.quiet = true
		r := rand.New(rand.NewPCG(seed, 2))
		for len(b) > 1 {
			n := min(len(b), 1+int(b[0]))
			s.tracker.Record(forged(r, b[:n]))
			if b = b[n:]; r.IntN(10) == 0 {
				s.tick(time.Second)
			}
			if open := s.tracker.Stats().Open; open > c.MaxConns {
				t.Fatalf("%d connections open, %d allowed", open, c.MaxConns)
			}
		}
		s.stop()
		if open := s.tracker.Stats().Open; open != 0 {
			t.Fatalf("%d connections are open after the end", open)
		}
	})
}

// forged is a record of a random kind and length with b in it, for one of a few sockets, or the bytes alone.
func forged(r *rand.Rand, b []byte) event.Record {
	if r.IntN(4) == 0 {
		return event.Clone(b)
	}
	rec := make([]byte, 24+r.IntN(400))
	copy(rec[24:], b)
	if r.IntN(2) == 0 && len(rec) > 130 {
		copy(rec[128:], b)
		rec[80], rec[84] = 0, byte(len(rec)-128) // some length, some head
	}
	for i := range 8 {
		rec[i] = byte(r.IntN(2))
	}
	rec[8] = byte(r.IntN(4)) // socket
	rec[16], rec[17] = byte(r.IntN(11)), byte(r.IntN(16))
	return event.Clone(rec)
}
