// SPDX-License-Identifier: Apache-2.0

package conn

import (
	"net/netip"
	"time"

	"sonde/agent/model"
	"sonde/probes/event"
)

// binding is where a UDP socket receives.
type binding struct {
	local netip.AddrPort
	netns uint32
}

// bind remembers a UDP socket of a listing. The kernel tells who uses a socket after it has sent: too late for the first
// answer. Later listings do not look for processes, they only show which sockets are still there. Where several processes
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

func wildcard(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
