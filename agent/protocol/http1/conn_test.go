// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// step is one call of a parser: ">" is the client's direction, "<" the server's.
type step struct {
	from string // ">", "<"
	data string
	skip uint64
	eof  bool
}

// String shows a step as it would be written.
func (s step) String() string {
	switch {
	case s.eof:
		return s.from + " EOF"
	case s.skip > 0:
		return fmt.Sprintf("%s skip %d", s.from, s.skip)
	}
	return fmt.Sprintf("%s %q", s.from, s.data)
}

func req(s string) step      { return step{from: ">", data: s} }
func resp(s string) step     { return step{from: "<", data: s} }
func reqSkip(n uint64) step  { return step{from: ">", skip: n} }
func respSkip(n uint64) step { return step{from: "<", skip: n} }
func reqEOF() step           { return step{from: ">", eof: true} }
func respEOF() step          { return step{from: "<", eof: true} }
func body(n int) string      { return strings.Repeat("x", n) }

// observed runs steps on a parser and collects what it reports. Step n passes at time n+1 s, the first at 1 s.
type observed struct {
	shared *Shared
	conn   *Conn
	server bool // the observed socket is the server's
	now    time.Duration
	got    []model.Request
}

func observe(server bool) *observed {
	o := &observed{server: server}
	o.shared = NewShared(&protocol.Env{Emit: func(r *model.Request) {
		x, h := *r, *r.HTTP
		x.HTTP = &h
		o.got = append(o.got, x)
	}})
	o.conn = o.shared.New()
	return o
}

func (o *observed) dir(s step) protocol.Dir {
	if (s.from == ">") == o.server {
		return protocol.Received
	}
	return protocol.Sent
}

func (o *observed) run(steps ...step) *observed {
	for _, s := range steps {
		o.now += time.Second
		switch d := o.dir(s); {
		case s.eof:
			o.conn.EOF(d, o.now)
		case s.skip > 0:
			o.conn.Skip(d, s.skip, o.now)
		default:
			o.conn.Feed(d, []byte(s.data), o.now)
		}
	}
	return o
}

func (o *observed) close(reason string) *observed {
	o.now += time.Second
	o.conn.Close(protocol.Close{Time: o.now, Reason: reason})
	return o
}

// line is a request in a line: what a reader would want to know.
func line(r *model.Request) string {
	h := r.HTTP
	s := fmt.Sprintf("%s %s %d %s", h.Method, h.Path, h.Status, r.Outcome)
	if h.Method == "" {
		s = fmt.Sprintf("- %d %s", h.Status, r.Outcome)
	}
	if r.Reason != "" {
		s += " " + r.Reason
	}
	s += fmt.Sprintf(" %d/%d", r.RequestBytes, r.ResponseBytes)
	if h.HeadTruncated {
		s += " cut"
	}
	return s
}

func (o *observed) lines() string {
	var l []string
	for i := range o.got {
		l = append(l, line(&o.got[i]))
	}
	return strings.Join(l, "\n")
}

// exchangeTest is a conversation and what is reported of it, a request in a line.
type exchangeTest struct {
	name  string
	steps []step
	want  string
	close string // reason; "" for a connection that stays open
	role  string // "client" when the observed socket is the client's
}

func runExchangeTests(t *testing.T, tests []exchangeTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(test.role != "client").run(test.steps...)
			if test.close != "" {
				o.close(test.close)
			}
			if got := o.lines(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
