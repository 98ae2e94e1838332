// SPDX-License-Identifier: Apache-2.0

package conn

import (
	"net/netip"
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/probes/event"
)

// binding is where a UDP socket receives.
type binding struct {
	local netip.AddrPort
	netns uint32
}

// bind remembers a UDP socket of a listing. Not every kernel tells who sends on a socket. Later listings do not look for processes, they only show which sockets are still there. Where several processes
// receive at one address (SO_REUSEPORT), whose an answer is stays unknown.
func (t *Tracker) bind(e *event.Listed) {
	k := binding{event.LocalAddr(&e.Tuple), e.Tuple.Netns}
	old, known := t.bound[k]
	switch {
	case known && old.Cookie == e.Cookie:
		old.Hdr.Time = e.Hdr.Time
	case known && e.Actor.PidTgid != 0 && old.Actor.PidTgid != e.Actor.PidTgid:
		old.Actor.PidTgid = 0
	case !known && e.Actor.PidTgid != 0 && len(t.bound) < maxActors:
		old = *e
	default:
		return
	}
	t.bound[k] = old
}

// unbind forgets the sockets that a listing does not have any more.
func (t *Tracker) unbind(began time.Duration) {
	for k, l := range t.bound {
		if event.Time(&l.Hdr) < began {
			delete(t.bound, k)
		}
	}
}

// udpProcess returns who uses the socket of a conversation, nil when that is not known. A binding is given to the first
// socket that is seen at its address.
func (t *Tracker) udpProcess(k *talkKey) *model.Process {
	if p := t.actors[k.sock]; p != nil || k.sock == 0 {
		return p
	}
	local := event.LocalAddr(&k.tuple)
	for _, addr := range []netip.Addr{local.Addr(), wildcard(local.Addr()), netip.IPv6Unspecified()} {
		b := binding{netip.AddrPortFrom(addr, local.Port()), k.tuple.Netns}
		l, ok := t.bound[b]
		if !ok {
			continue
		}
		if l.Actor.PidTgid == 0 {
			return nil
		}
		delete(t.bound, b)
		t.udpActor(&event.Actor{Hdr: event.Header{Sock: k.sock}, Actor: l.Actor})
		return t.actors[k.sock]
	}
	return nil
}

// Limits of what waits for the kernel to tell who uses a socket. It does when the send returns, so after the datagram, and
// on loopback even after its answer.
const (
	actorPatience = 10 * time.Millisecond
	maxDatagrams  = 1024
)

// waits keeps a datagram until it is known who uses its socket, from the first that the socket sent on.
func (t *Tracker) waits(r event.Record, e *event.Datagram) bool {
	_, told := t.actors[e.Hdr.Sock]
	if told || t.config.Wire {
		return false
	}
	of := func(r event.Record) bool { return event.As[event.Datagram](r).Hdr.Sock == e.Hdr.Sock }
	if e.Dir != event.DirSent && !slices.ContainsFunc(t.waiting, of) {
		return false
	}
	if len(t.waiting) >= maxDatagrams {
		t.resumeAll(event.Time(&e.Hdr))
		return false
	}
	t.waiting = append(t.waiting, event.Clone(r))
	return true
}

// resume takes the datagrams of a socket that waited.
func (t *Tracker) resume(sock uint64) {
	var due []event.Record
	t.waiting = slices.DeleteFunc(t.waiting, func(r event.Record) bool {
		own := event.As[event.Datagram](r).Hdr.Sock == sock
		if own {
			due = append(due, r)
		}
		return own
	})
	for _, r := range due {
		t.converse(r, event.As[event.Datagram](r))
	}
}

// resumeAll takes the datagrams from before a time: their sockets' processes stay unknown, and nothing of them waits again.
func (t *Tracker) resumeAll(before time.Duration) {
	for len(t.waiting) > 0 {
		e := event.As[event.Datagram](t.waiting[0])
		if event.Time(&e.Hdr) > before {
			return
		}
		if t.udpProcess(&talkKey{e.Hdr.Sock, e.Tuple}) == nil {
			t.actors[e.Hdr.Sock] = nil
		}
		t.resume(e.Hdr.Sock)
	}
}

func wildcard(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
