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
