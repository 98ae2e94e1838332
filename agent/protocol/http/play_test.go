// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/http"
)

// act is one call to a parser. The n-th act of a script happens at n milliseconds.
type act struct {
	what  byte // 'f' feed, 's' skip, 'e' end of direction, 'c' close, 'j' joined
	dir   protocol.Dir
	bytes string
	n     uint64
	close protocol.Close
}

// The observed socket is the server's unless a test swaps the directions.
const (
	fromClient = protocol.Received
	fromServer = protocol.Sent
)

func client(s string) act     { return act{what: 'f', dir: fromClient, bytes: s} }
func server(s string) act     { return act{what: 'f', dir: fromServer, bytes: s} }
func clientSkip(n uint64) act { return act{what: 's', dir: fromClient, n: n} }
func serverSkip(n uint64) act { return act{what: 's', dir: fromServer, n: n} }
func clientEOF() act          { return act{what: 'e', dir: fromClient} }
func serverEOF() act          { return act{what: 'e', dir: fromServer} }
func joined() act             { return act{what: 'j'} }
func closed() act             { return act{what: 'c', close: protocol.Close{Reason: "connection_closed"}} }
func reset() act              { return act{what: 'c', close: protocol.Close{Reason: "connection_reset"}} }
func acked(n uint64) act {
	return act{what: 'c', close: protocol.Close{Reason: "connection_closed", SentAcked: n, AckedKnown: true}}
}

// play runs a script and returns a copy of each request it leads to.
func play(script []act) []model.Request {
	var got []model.Request
	s := http1.NewShared(func(r *model.Request) { got = append(got, clone(r)) })
	c := s.New()
	for i := range script {
		script[i].do(c, time.Duration(i+1)*time.Millisecond)
	}
	if n := c.Pending(); n != 0 && script[len(script)-1].what == 'c' {
		panic(fmt.Sprintf("%d requests pending after Close", n))
	}
	c.Release()
	return got
}

func (a *act) do(c *http1.Conn, t time.Duration) {
	switch a.what {
	case 'f':
		c.Feed(a.dir, []byte(a.bytes), t)
	case 's':
		c.Skip(a.dir, a.n, t)
	case 'e':
		c.EOF(a.dir, t)
	case 'j':
		c.Joined()
	case 'c':
		a.close.Time = t
		c.Close(a.close)
	}
}

func clone(r *model.Request) model.Request {
	k, h := *r, *r.HTTP
	k.HTTP = &h
	return k
}

// short writes a request as "METHOD path status outcome request-bytes(body) response-bytes(body) @times in ms".
func short(r *model.Request) string {
	h := r.HTTP
	outcome := r.Outcome.String()
	if r.Reason != "" {
		outcome = r.Reason
	}
	if h.HeadTruncated {
		outcome += " cut"
	}
	path := h.Path
	if len(path) > 40 {
		path = fmt.Sprintf("%s+%d", path[:4], len(path)-4)
	}
	return fmt.Sprintf("%s %s %d %s %d(%d) %d(%d) @%d-%d,%d-%d", h.Method, path, h.Status, outcome, r.RequestBytes,
		h.RequestBodyBytes, r.ResponseBytes, h.ResponseBodyBytes, r.Start/1e6, r.RequestEnd/1e6, r.ResponseStart/1e6, r.End/1e6)
}

func lines(got []model.Request) string {
	var b strings.Builder
	for i := range got {
		b.WriteString(short(&got[i]) + "\n")
	}
	return b.String()
}

// exchanges is one row of a table: a script and the requests it leads to.
type exchange struct {
	name   string
	script []act
	want   string
}

// allExchanges is every row of every table.
func allExchanges() []exchange { return slices.Concat(wholeExchanges, strangeTraffic, gaps) }

func runExchanges(t *testing.T, table []exchange) {
	t.Helper()
	for _, x := range table {
		t.Run(x.name, func(t *testing.T) {
			got := play(x.script)
			if lines(got) != strings.TrimPrefix(x.want, "\n") {
				t.Errorf("got\n%swant%s", lines(got), x.want)
			}
		})
	}
}
