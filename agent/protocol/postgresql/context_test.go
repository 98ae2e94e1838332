// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"fmt"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// traced ends a text with the comment of a trace.
func traced(text string, span int) string {
	return fmt.Sprintf("%s /*app='secret',traceparent='00-0af7651916cd43dd8448eb211c80319c-%016x-01',tracestate='a%%3D1'*/", text, span)
}

// spans shows what was reported with the number of the span in whose trace it was sent, "-" for none.
func spans(all []model.Request) string {
	var b strings.Builder
	for i := range all {
		r := &all[i]
		of := "-"
		if len(r.Fields) == 2 && r.Fields[0].Name == "traceparent" && r.Fields[1] == (model.Field{Name: "tracestate", Value: "a=1"}) {
			of = strings.TrimLeft(strings.Split(r.Fields[0].Value, "-")[2], "0")
		}
		fmt.Fprintf(&b, "%s %s|", r.DB.Command, of)
		if strings.Contains(r.DB.Query, "traceparent") {
			b.WriteString(" the text has a context|")
		}
	}
	return strings.TrimSuffix(b.String(), "|")
}

var answered = parsed + bound + complete("SELECT 1") + idle

func TestStatementsHaveTheTraceThatTheyWereSentIn(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"queries", []step{
			req(query(traced("SELECT 1", 1))), resp(complete("SELECT 1"), idle), req(query("SELECT 1")), resp(complete("SELECT 1"), idle),
			req(query(traced("SELECT 1", 3))), resp(complete("SELECT 1"), idle),
		}, "Query 1|Query -|Query 3"},
		{"parsed, bound and executed at once", []step{
			req(parse("", traced("SELECT $1", 1)), bind("", ""), execute(""), syncing), resp(answered),
			req(parse("", traced("SELECT $1", 2)), bind("", ""), execute(""), syncing), resp(answered),
		}, "Execute 1|Execute 2"},
		{"several texts in a batch", []step{
			req(parse("a", traced("SELECT $1", 1)), parse("b", traced("SELECT $1", 2)), bind("", "a"), execute(""), bind("", "b"), execute(""), syncing),
			resp(parsed, parsed, bound, complete("SELECT 1"), bound, complete("SELECT 1"), idle),
		}, "Execute 1|Execute 2"},
		{"a statement that is used later", []step{
			req(parse("a", traced("SELECT $1", 1)), describe("S", "a"), syncing), resp(parsed, noData, idle),
			req(bind("", "a"), execute(""), syncing), resp(bound, complete("SELECT 1"), idle),
		}, "Parse 1|Execute -"},
		{"an unnamed statement that is described before", []step{
			req(parse("", traced("SELECT $1", 1)), describe("S", ""), syncing), resp(parsed, noData, idle),
			req(bind("", ""), execute(""), syncing), resp(bound, complete("SELECT 1"), idle),
			req(bind("", ""), execute(""), syncing), resp(bound, complete("SELECT 1"), idle),
		}, "Parse 1|Execute 1|Execute -"},
		{"an unnamed statement that is used twice", []step{
			req(parse("", traced("SELECT $1", 1)), bind("", ""), execute(""), syncing), resp(answered),
			req(bind("", ""), execute(""), syncing), resp(bound, complete("SELECT 1"), idle),
		}, "Execute 1|Execute -"},
		{"a portal that is read on", []step{
			req(parse("", traced("SELECT $1", 1)), bind("p", ""), execute("p"), syncing), resp(parsed, bound, suspended, ready("T")),
			req(execute("p"), syncing), resp(complete("SELECT 1"), ready("T")),
		}, "Execute 1|Execute -"},
		{"what a gap may have ended", []step{
			req(parse("a", traced("SELECT $1", 1)), bind("", "a"), execute("")), reqSkip(50), resp(parsed, bound, complete("SELECT 1"), idle),
			req(bind("", "a"), execute(""), syncing), resp(bound, complete("SELECT 1"), idle),
		}, "Execute 1|Execute -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, server := range []bool{false, true} {
				o := observe(server, true).run(c.steps...).close("connection_closed")
				if got := spans(o.got); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			}
		})
	}
}

// memory is a recording of one direction.
type memory struct{ text []byte }

func (m *memory) Hide(d protocol.Dir, from, to uint64, with protocol.Filler) {
	for i := from; d == protocol.Sent && i < to; i++ {
		m.text[i] = 'x'
	}
}

func (m *memory) Replace(d protocol.Dir, at uint64, with []byte) {
	if d == protocol.Sent {
		copy(m.text[at:], with)
	}
}
func (m *memory) Settle(protocol.Dir, uint64) {}

func TestARecordingKeepsTheTraceOfAStatement(t *testing.T) {
	text := query(traced("SELECT 'x'", 1))
	m := &memory{text: []byte(text)}
	p := Spec().Setup(&protocol.Env{Emit: func(*model.Request) {}, Marks: m})(protocol.Start{Joined: true})
	p.Feed(protocol.Sent, []byte(text), 1)
	if strings.Contains(string(m.text), "secret") {
		t.Errorf("it keeps more: %q", m.text)
	}
	o := observe(false, true).run(req(string(m.text)), resp(complete("SELECT 1"), idle))
	if got := spans(o.got); got != "Query 1" {
		t.Errorf("a replay says %s: %q", got, m.text)
	}
}
