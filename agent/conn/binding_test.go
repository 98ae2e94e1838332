// SPDX-License-Identifier: Apache-2.0

package conn_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/probes/event"
)

// datagram is a question to a server of DNS, or its answer.
func (k *sock) datagram(dir uint8) *sock {
	if dir == event.DirSent {
		return k.message(dir, 0x81)
	}
	return k.message(dir, 0x01)
}

// message gives the tracker a datagram of DNS: a question and its answer say the same but for a bit.
func (k *sock) message(dir uint8, flags byte) *sock {
	message := []byte("\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01")
	message[2] = flags
	var b bytes.Buffer
	e := event.Datagram{Hdr: k.s.header(event.KindDatagram, k.address), Tuple: k.tuple(), Len: uint32(len(message)), Head: uint16(len(message)), Dir: dir}
	if err := binary.Write(&b, binary.NativeEndian, e); err != nil {
		panic(err)
	}
	k.s.tracker.Record(event.Clone(append(b.Bytes(), message...)))
	return k
}

// exchange is a question and its answer, of which the kernel does not tell who sent it.
func (k *sock) exchange() {
	k.datagram(event.DirReceived).datagram(event.DirSent)
	k.s.tick(20 * time.Millisecond)
}

// bound is the line of a listing for a UDP socket that receives at local.
func (s *script) bound(local string, pid uint32, comm string) *sock {
	k := s.sock(local, "0.0.0.0:0")
	e := event.Listed{Hdr: s.header(event.KindListed, 0), Cookie: k.cookie, Tuple: k.tuple(), State: 7, Proto: 17}
	if pid != 0 {
		e.Actor = who(pid, comm)
	}
	s.record(e, "listed %s", local)
	return k
}

func TestFirstAnswerOfASocketOlderThanTheAgent(t *testing.T) {
	const known, unknown = "> 10.0.0.1:53(dnsmasq/9): dns", "> 10.0.0.1:53: dns"
	serve := func(s *script) { s.sock("10.0.0.1:53", "10.0.0.2:4000").exchange() }
	for name, c := range map[string]struct {
		story func(s *script)
		want  string
	}{
		"at its address":        {func(s *script) { s.bound("10.0.0.1:53", 9, "dnsmasq"); serve(s) }, known},
		"at every address":      {func(s *script) { s.bound("0.0.0.0:53", 9, "dnsmasq"); serve(s) }, known},
		"at those of IPv6 too":  {func(s *script) { s.bound("[::]:53", 9, "dnsmasq"); serve(s) }, known},
		"at another":            {func(s *script) { s.bound("10.0.0.3:53", 9, "dnsmasq"); serve(s) }, unknown},
		"held by nobody":        {func(s *script) { s.bound("10.0.0.1:53", 0, ""); serve(s) }, unknown},
		"gone by the next list": {func(s *script) { s.bound("10.0.0.1:53", 9, "dnsmasq"); s.listingEnds(s.now + 1); serve(s) }, unknown},
		"in the next list too": {func(s *script) {
			k := s.bound("10.0.0.1:53", 9, "dnsmasq")
			began := s.now
			k.s.socks--
			s.bound("10.0.0.1:53", 0, "")
			s.listingEnds(began + 1)
			serve(s)
		}, known},
		"of several processes": {func(s *script) {
			s.bound("10.0.0.1:53", 9, "dnsmasq")
			s.bound("10.0.0.1:53", 8, "other")
			serve(s)
		}, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(conn.Default())
			c.story(s)
			if got := s.text.String(); !strings.Contains(got, c.want) {
				t.Errorf("got\n%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestSocketThatTakesAnAddressOverIsNotWhoWasListed(t *testing.T) {
	s := newScript(conn.Default())
	s.bound("10.0.0.1:53", 9, "dnsmasq")
	for range 2 {
		s.sock("10.0.0.1:53", "10.0.0.2:4000").exchange()
	}
	got := s.text.String()
	if strings.Count(got, "dnsmasq/9") != 1 || !strings.Contains(got, "> 10.0.0.1:53: dns") {
		t.Errorf("the second socket: %s", got)
	}
}

func TestDatagramsWaitForTheirProcess(t *testing.T) {
	for name, c := range map[string]struct {
		story func(s *script)
		want  string
	}{
		"a server that the kernel tells of behind its answer": {func(s *script) {
			s.sock("10.0.0.1:53", "10.0.0.2:4000").datagram(event.DirReceived).datagram(event.DirSent).actor(9, "unbound")
		}, "server 10.0.0.2:4000 > 10.0.0.1:53(unbound/9): dns"},
		"a client that the kernel tells of behind its answer": {func(s *script) {
			s.ask().actor(7, "dig")
		}, "client 10.0.0.2:4000(dig/7) > 10.0.0.1:53: dns"},
		"one that it does not tell of": {func(s *script) {
			s.ask()
			s.tick(20 * time.Millisecond)
		}, "client 10.0.0.2:4000 > 10.0.0.1:53: dns"},
		"one that it does not tell of, again": {func(s *script) {
			s.ask()
			s.tick(20 * time.Millisecond)
			s.text.Reset()
			s.socks--
			s.ask()
		}, "client 10.0.0.2:4000 > 10.0.0.1:53: dns"},
		"the end of the agent": {func(s *script) {
			s.ask()
			s.stop()
		}, "client 10.0.0.2:4000 > 10.0.0.1:53: dns"},
		"too many of them": {func(s *script) {
			for range 600 {
				s.ask()
			}
		}, "client 10.0.0.2:4000 > 10.0.0.1:53: dns"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(conn.Default())
			c.story(s)
			if got := s.text.String(); !strings.Contains(got, c.want) {
				t.Errorf("got\n%s\nwant %s", got, c.want)
			}
		})
	}
}

// ask is a question that a socket sends, and its answer.
func (s *script) ask() *sock {
	k := s.sock("10.0.0.2:4000", "10.0.0.1:53")
	k.message(event.DirSent, 0x01).message(event.DirReceived, 0x81)
	return k
}
