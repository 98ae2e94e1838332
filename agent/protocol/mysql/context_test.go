// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"slices"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const comment = " /*app='secret',traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',tracestate='a%3D1'*/"

var traced = []model.Field{
	{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, {Name: "tracestate", Value: "a=1"},
}

// A statement that is executed later may be so in another trace.
func TestStatementsHaveTheTraceThatTheyWereSentIn(t *testing.T) {
	for _, server := range []bool{false, true} {
		o := observe(server, false).run(with(0,
			req(query("SELECT 1"+comment)), resp(answer(okBody(0, 2))),
			req(query("SELECT 1")), resp(answer(okBody(0, 2))),
			req(command(comStmtPrepare, "SELECT ?"+comment)), resp(answer(prepared(5, 0, 0))),
			req(execute(5)), resp(answer(okBody(0, 2))),
			req(command(comStmtClose, int32s(5))))...)
		for i, want := range [][]model.Field{traced, nil, traced, nil, nil} {
			r := &o.got[len(o.got)-5+i]
			if !slices.Equal(r.Fields, want) || strings.Contains(r.DB.Query, "/*") || r.DB.Query == "" {
				t.Errorf("request %d: %v, %q", i, r.Fields, r.DB.Query)
			}
		}
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
	text := query("SELECT 'x'" + comment)
	m := &memory{text: []byte(text)}
	p := Spec().Setup(&protocol.Env{Emit: func(*model.Request) {}, Marks: m})(protocol.Start{Joined: true})
	p.Feed(protocol.Sent, []byte(text), 1)
	if strings.Contains(string(m.text), "secret") {
		t.Errorf("it keeps more: %q", m.text)
	}
	o := observe(false, true).run(req(string(m.text)), resp(answer(okBody(0, 2))))
	if len(o.got) != 1 || !slices.Equal(o.got[0].Fields, traced) {
		t.Errorf("a replay says %+v: %q", o.got, m.text)
	}
}

// withAttributes makes a COM_QUERY with attributes of MySQL: pairs of a name and a value, which is text but for "7", a number,
// "null", whose type has no values, and "", which is not there.
func withAttributes(text string, attributes ...string) string {
	n := len(attributes) / 2
	names, values, null := "", "", make([]byte, (n+7)/8)
	for i := range n {
		name, value := attributes[2*i], attributes[2*i+1]
		switch value {
		case "7":
			names += "\x01\x00"
			values += "\x07"
		case "null":
			names += "\x06\x00"
		case "":
			names += "\xfe\x00"
			null[i/8] |= 1 << (i % 8)
		default:
			names += "\xfe\x00"
			values += lengthOf(len(value)) + value
		}
		names += lengthOf(len(name)) + name
	}
	return command(comQuery, count(n), "\x01", string(null), "\x01", names, values, text)
}

func lengthOf(n int) string {
	if n > 250 {
		return "\xfc" + int16s(n)
	}
	return count(n)
}

func TestQueriesHaveTheTraceOfTheirAttributes(t *testing.T) {
	for _, c := range []struct {
		name, packet string
		want         []model.Field
	}{
		{"as connectors send it", withAttributes("SELECT 'x'", "traceparent", traced[0].Value), traced[:1]},
		{"among others", withAttributes("SELECT 'x'", "n", "7", "user", "secret", "none", "", "traceparent", traced[0].Value, "tracestate", "a=1", "more", "secret"), traced},
		{"others alone", withAttributes("SELECT 'x'", "user", "secret"), nil},
		{"a number, and none", withAttributes("SELECT 'x'", "traceparent", "7", "tracestate", ""), nil},
		{"of the type of nothing", withAttributes("SELECT 'x'", "traceparent", "null", "b3", "null"), nil},
		{"too long", withAttributes("SELECT 'x'", "b3", strings.Repeat("0", model.MaxField+1)), nil},
		{"a comment too", withAttributes("SELECT 'x'"+comment, "traceparent", "00"), traced},
	} {
		t.Run(c.name, func(t *testing.T) {
			steps := with(capAttributes, req(c.packet), resp(answer(okBody(0, 2))))
			check := func(o *observed, what string) {
				if r := &o.got[len(o.got)-1]; !slices.Equal(r.Fields, c.want) || r.DB.Query != "SELECT ?" {
					t.Errorf("%s: %v, %q", what, r.Fields, r.DB.Query)
				}
			}
			check(observe(false, false).run(steps...), "live")

			m, before := &memory{}, 0
			p := Spec().Setup(&protocol.Env{Emit: func(*model.Request) {}, Marks: m})(protocol.Start{})
			for _, s := range steps {
				d := protocol.Received
				if s.from == ">" {
					d, before = protocol.Sent, len(m.text)
					m.text = append(m.text, s.data...)
				}
				p.Feed(d, []byte(s.data), 1)
			}
			steps[len(steps)-2].data = string(m.text[before:])
			check(observe(false, false).run(steps...), "replay")
			if strings.Contains(string(m.text), "secret") {
				t.Errorf("a recording has %q", m.text[before:])
			}
		})
	}
}
