// SPDX-License-Identifier: Apache-2.0

package conn

import (
	"cmp"
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/detect"
	"sonde/probes/event"
)

// talkKey is one socket's conversation with one peer.
type talkKey struct {
	sock  uint64 // 0 in a capture
	tuple event.Tuple
}

// talk is a conversation of datagrams, which have a parser and no stream.
type talk struct {
	t      *Tracker
	id     uint64
	key    talkKey
	parser *detect.Conn
	last   time.Duration
}

// datagram hands a datagram to the parser of its conversation.
func (t *Tracker) datagram(r event.Record) bool {
	e := event.As[event.Datagram](r)
	if e == nil {
		return false
	}
	if _, ok := event.DatagramHead(r, e); !ok || e.Dir > event.DirReceived {
		return false
	}
	if !t.waits(r, e) {
		t.converse(r, e)
	}
	return true
}

// converse gives a datagram to its conversation.
func (t *Tracker) converse(r event.Record, e *event.Datagram) {
	head, _ := event.DatagramHead(r, e)
	k := talkKey{e.Hdr.Sock, e.Tuple}
	w := t.talks[k]
	if w == nil {
		if len(t.talks) >= t.config.MaxConns {
			t.stats.Refused++
			return
		}
		t.nextID++
		w = &talk{t: t, id: t.nextID, key: k, parser: t.engine.Conn(model.TransportUDP, false)}
		t.talks[k] = w
	}
	w.last = event.Time(&e.Hdr)
	t.talking = w
	w.parser.Feed(protocol.Dir(e.Dir), head, w.last)
	if rest := uint64(e.Len) - uint64(len(head)); rest > 0 {
		w.parser.Skip(protocol.Dir(e.Dir), rest, w.last)
	}
	t.talking = nil
}

// emit completes a request that the parser of a conversation found.
func (w *talk) emit(r *model.Request) {
	process := w.t.udpProcess(&w.key)
	if process != nil && w.t.config.Self != 0 && process.PID == w.t.config.Self {
		return
	}
	r.Transport, r.Conn = model.TransportUDP, w.id
	local := model.Endpoint{Addr: event.LocalAddr(&w.key.tuple), Process: process}
	w.t.deliver(r, local, model.Endpoint{Addr: event.RemoteAddr(&w.key.tuple)}, w.key.tuple.Netns)
}

// answeredIdle is how long a conversation is remembered in which nothing waits for an answer: answers that come twice find
// it, and a resolver that uses a socket for each query does not fill the table.
const answeredIdle = time.Second

// sweepTalks ends conversations that have been silent for long: what they wait for will not come.
func (t *Tracker) sweepTalks(now time.Duration) {
	t.endTalks(func(w *talk) bool {
		idle := now - w.last
		return idle >= t.config.DatagramIdle || idle >= answeredIdle && w.parser.Pending() == 0
	}, now, "timeout")
}

// endTalks ends the conversations picked, oldest first.
func (t *Tracker) endTalks(picked func(*talk) bool, now time.Duration, reason string) {
	var ending []*talk
	for _, w := range t.talks {
		if picked(w) {
			ending = append(ending, w)
		}
	}
	slices.SortFunc(ending, func(a, b *talk) int { return cmp.Compare(a.id, b.id) })
	for _, w := range ending {
		t.talking = w
		w.parser.Close(protocol.Close{Time: now, Reason: reason})
		w.parser.Release()
		t.talking = nil
		delete(t.talks, w.key)
		if t.tracer != nil {
			t.tracer.Ended(w.id)
		}
	}
}
