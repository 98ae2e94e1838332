// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/testbed/begins"
)

// step is a piece of a conversation: bytes, or bytes that were not captured, of the client or the server.
type step struct {
	server bool
	data   string
	skip   uint64
}

func req(s string) step      { return step{data: s} }
func resp(s string) step     { return step{data: s, server: true} }
func reqSkip(n uint64) step  { return step{skip: n} }
func respSkip(n uint64) step { return step{skip: n, server: true} }

// array is a command as clients send it.
func array(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// cmd is array for words without blanks.
func cmd(line string) string { return array(strings.Fields(line)...) }

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

var spec = Spec()

// observed is a parser with what it reported.
type observed struct {
	parser protocol.Parser
	now    time.Duration
	got    []string
	all    []model.Request
}

func observe(joined bool) *observed {
	o := &observed{}
	env := &protocol.Env{Emit: func(r *model.Request) {
		o.got = append(o.got, show(r))
		db := *r.DB
		o.all = append(o.all, *r)
		o.all[len(o.all)-1].DB = &db
	}}
	begins.Watch(env)
	o.parser = spec.Setup(env)(protocol.Start{Joined: joined})
	return o
}

// show prints a request on a line: query, outcome, and what is not empty.
func show(r *model.Request) string {
	d := r.DB
	s := fmt.Sprintf("%s %s", d.Query, r.Outcome)
	add := func(name, value string) {
		if value != "" && value != "0" {
			s += " " + name + value
		}
	}
	add("", r.Reason)
	add("", d.Status)
	if !strings.HasPrefix(d.Query, d.Operation) {
		add("op=", d.Operation)
	}
	if d.Namespace != "0" {
		s += " db=" + d.Namespace
	}
	add("keys=", fmt.Sprint(d.Keys))
	add("batch=", fmt.Sprint(d.Batch))
	add("call=", d.Procedure)
	add("user=", d.User)
	if r.OneWay {
		s += " oneway"
	}
	if d.QueryCut {
		s += " cut"
	}
	return fmt.Sprintf("%s %d/%d", s, r.RequestBytes, r.ResponseBytes)
}

func (o *observed) run(steps ...step) *observed {
	for _, s := range steps {
		d := protocol.Received
		if s.server {
			d = protocol.Sent
		}
		o.now += time.Millisecond
		if s.skip > 0 {
			o.parser.Skip(d, s.skip, o.now)
		} else {
			o.parser.Feed(d, []byte(s.data), o.now)
		}
	}
	return o
}

func (o *observed) close() *observed {
	o.now += time.Millisecond
	o.parser.Close(protocol.Close{Time: o.now})
	return o
}

func (o *observed) lines() string { return strings.Join(o.got, "\n") }

type script struct {
	name   string
	joined bool
	steps  []step
	want   string
}

func runScripts(t *testing.T, scripts []script) {
	t.Helper()
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			want := strings.ReplaceAll(strings.TrimSpace(s.want), "\t", "")
			if got := observe(s.joined).run(s.steps...).close().lines(); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			var bytewise []step
			for _, p := range s.steps {
				if p.skip > 0 {
					bytewise = append(bytewise, p)
				}
				for i := range len(p.data) {
					bytewise = append(bytewise, step{server: p.server, data: p.data[i : i+1]})
				}
			}
			if got := observe(s.joined).run(bytewise...).close().lines(); got != want {
				t.Errorf("byte by byte\n%s\nwant\n%s", got, want)
			}
		})
	}
}
