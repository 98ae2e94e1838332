// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// message makes HPUB or HMSG of header lines and a payload.
func message(line string, headers ...string) string {
	head := "NATS/1.0\r\n"
	for _, h := range headers {
		head += h + "\r\n"
	}
	head += "\r\n"
	return fmt.Sprintf("%s %d %d\r\n%ss3cret\r\n", line, len(head), len(head)+6, head)
}

// tape is a recording of one direction in memory.
type tape struct{ text []byte }

func (m *tape) Hide(d protocol.Dir, from, to uint64, _ protocol.Filler) {
	for i := from; d == protocol.Sent && i < to; i++ {
		m.text[i] = 'x'
	}
}

func (m *tape) Replace(d protocol.Dir, at uint64, with []byte) {
	if d == protocol.Sent {
		copy(m.text[at:], with)
	}
}
func (m *tape) Settle(protocol.Dir, uint64) {}

func TestHeaderFieldsThatCarryContextAreKept(t *testing.T) {
	many := make([]string, 30)
	for i := range many {
		many[i] = "b3: 0"
	}
	for _, c := range []struct{ name, frame, want string }{
		{"published", message("HPUB s", "Auth: s3cret", "Traceparent: "+parent, "x: s3cret", "tracestate:a=1 "), "[[{Traceparent " + parent + "} {tracestate a=1}]]"},
		{"first and last", message("HPUB s", "b3: 0", "Auth: s3cret", "b3: 1"), "[[{b3 0} {b3 1}]]"},
		{"next to each other", message("HPUB s r", "b3: 0", "b3: 1"), "[[{b3 0} {b3 1}]]"},
		{"others alone", message("HPUB s", "Auth: s3cret"), "[]"},
		{"none", message("HPUB s"), "[]"},
		{"in the payload", "PUB s 10\r\n\r\nb3: 0\r\nx\r\n", "[]"},
		{"too long", message("HPUB s", "b3: "+strings.Repeat("0", model.MaxField+1), "b3: 1"), "[[{b3 1}]]"},
		{"too many", message("HPUB s", many...), "[[" + strings.TrimSpace(strings.Repeat("{b3 0} ", model.MaxFields)) + "]]"},
		{"more than is put together", message("HPUB s", "b3: 0", "Auth: "+strings.Repeat("s", keep)), "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := func(frame string, m protocol.Marks) (got string) {
				got = "[]"
				p := Spec().Setup(&protocol.Env{Marks: m, Emit: func(r *model.Request) { got = fmt.Sprint(r.Messaging.Headers) }})(protocol.Start{Joined: true})
				p.Feed(protocol.Sent, []byte(frame), time.Millisecond)
				p.Close(protocol.Close{Time: time.Second})
				return got
			}
			m := &tape{text: []byte(c.frame)}
			if got := read(c.frame, m); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := read(string(m.text), nil); got != c.want {
				t.Errorf("a replay says %s of %.300q", got, m.text)
			}
			if strings.Contains(string(m.text), "s3cret") {
				t.Errorf("a recording has %.300q", m.text)
			}
		})
	}
}

func TestDeliveriesHaveTheirHeaders(t *testing.T) {
	o := observe(protocol.Start{}).run(begun()...).run(cl("SUB s 1\r\n"), sv(message("HMSG s 1", "traceparent: "+parent)))
	if got := text(&o.got[len(o.got)-1]); !strings.Contains(got, "HMSG receive/receive") || !strings.HasSuffix(got, "[[{traceparent "+parent+"}]]") {
		t.Errorf("got %s", got)
	}
	o = observe(protocol.Start{}).run(begun()...).run(cl(message("HPUB s", "traceparent: "+parent)[:60]), clSkip(20))
	o.close("connection_closed")
	for i := range o.got {
		if o.got[i].Messaging.Headers != nil {
			t.Errorf("fields are missing: %s", o.lines())
		}
	}
}
