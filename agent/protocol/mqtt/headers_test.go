// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func user(name, value string) string { return "\x26" + word(name) + word(value) }

// publishWith makes a PUBLISH of MQTT 5 with properties of any length.
func publishWith(properties ...string) string {
	all := strings.Join(properties, "")
	return packetOf(0x30, word("t"), string(binary.AppendUvarint(nil, uint64(len(all)))), all, "s3cret")
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

func TestUserPropertiesThatCarryContextAreKept(t *testing.T) {
	const both = "[[{traceparent " + parent + "} {TraceState a=1}]]"
	for _, c := range []struct{ name, packet, want string }{
		{"alone", publishWith(user("traceparent", parent), user("TraceState", "a=1")), both},
		{"among others", publishWith("\x03"+word("text/s3cret"), user("s3cret", "s3cret"), user("traceparent", parent), "\x02\x00\x00\x00\x07",
			user("TraceState", "a=1"), user("auth", "s3cret")), both},
		{"others alone", publishWith(user("auth", "s3cret")), "[]"},
		{"none", publishWith(), "[]"},
		{"too long", publishWith(user("b3", strings.Repeat("0", model.MaxField+1)), user("b3", "1")), "[[{b3 1}]]"},
		{"too many", publishWith(strings.Repeat(user("b3", "0"), 30)), "[[" + strings.TrimSpace(strings.Repeat("{b3 0} ", model.MaxFields)) + "]]"},
		{"more than is put together", publishWith(user("b3", "0"), user("auth", strings.Repeat("s", keep))), "[]"},
		{"no list", publishWith(user("b3", "0"), "\x7f"), "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := func(text string, m protocol.Marks) string {
				got := "[]"
				p := Spec().Setup(&protocol.Env{Marks: m, Emit: func(r *model.Request) {
					if r.Messaging.API == "PUBLISH" {
						got = fmt.Sprint(r.Messaging.Headers)
					}
				}})(protocol.Start{})
				p.Feed(protocol.Sent, []byte(text[:len(connect5)]), time.Millisecond)
				p.Feed(protocol.Received, []byte(connack5), time.Millisecond)
				p.Feed(protocol.Sent, []byte(text[len(connect5):]), time.Millisecond)
				p.Close(protocol.Close{Time: time.Second})
				return got
			}
			text := connect5 + c.packet
			m := &tape{text: []byte(text)}
			if got := read(text, m); got != c.want {
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

func TestOlderVersionsHaveNoUserProperties(t *testing.T) {
	o := observe(protocol.Start{}).run(cl(connect), sv(connack), cl(publishWith(user("b3", "0"))))
	if got := o.got[len(o.got)-1].Messaging; got.API != "PUBLISH" || got.Headers != nil {
		t.Errorf("got %+v", got)
	}
}

func TestNothingIsAllocatedWithoutContext(t *testing.T) {
	list := []byte(user("content", "x") + user("more", "y"))
	if n := testing.AllocsPerRun(100, func() { headers(list) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
