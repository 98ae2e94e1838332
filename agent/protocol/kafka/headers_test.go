// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

func parentOf(n int) string { return fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-%016x-01", n) }

// record makes a record of a batch, with pairs of names and values. The value "null" is none.
func record(key, value string, headers ...string) []byte {
	var b []byte
	put := func(s string) {
		b = append(binary.AppendVarint(b, int64(len(s))), s...)
	}
	b = append(b, 0)
	b = binary.AppendVarint(binary.AppendVarint(b, 1<<40), 0)
	put(key)
	put(value)
	b = binary.AppendVarint(b, int64(len(headers)/2))
	for i := 0; i < len(headers); i += 2 {
		if put(headers[i]); headers[i+1] == "null" {
			b = binary.AppendVarint(b, -1)
		} else {
			put(headers[i+1])
		}
	}
	return append(binary.AppendVarint(nil, int64(len(b))), b...)
}

// carrying is a record batch of magic 2 with records.
func carrying(attributes int, records ...[]byte) []byte {
	all := bytes.Join(records, nil)
	return append(batch(len(records), len(all), attributes)[:batchFixedBytes], all...)
}

func TestHeadersOfRecordsThatCarryContextAreKept(t *testing.T) {
	traced := record("key", "value", "traceparent", parentOf(1), "content-type", "text/plain", "TraceState", "a=1")
	many := make([][]byte, 200)
	for i := range many {
		many[i] = record("", "", "b3", "0")
	}
	fields := make([]string, 2*30)
	for i := range fields {
		fields[i] = "b3"
	}
	fetched := func(records []byte) []byte {
		return response(8).i32(0).i32(1).str("orders").i32(1).i32(2).i16(0).i64(90).i64(90).i32(-1).bytes(records).framed()
	}
	fetch := request(1, 4, 8, "app").i32(-1).i32(500).i32(1).i32(1 << 20).i8(0).i32(1).str("orders").i32(1).i32(2).i64(77).i32(1 << 20).framed()
	wrong := bytes.Clone(traced)
	wrong[0] += 2 // longer than it is
	for _, c := range []struct {
		name    string
		records []byte
		want    string
	}{
		{"one record", carrying(0, traced), "[[{traceparent " + parentOf(1) + "} {TraceState a=1}]]"},
		{"records without any between", carrying(0, record("k", "v"), traced, record("k", "v", "a", "b"), record("", "", "b3", "0")),
			"[[{traceparent " + parentOf(1) + "} {TraceState a=1}] [{b3 0}]]"},
		{"several batches", append(carrying(0, record("", "", "b3", "0")), carrying(0, record("", "", "b3", "1"))...), "[[{b3 0}] [{b3 1}]]"},
		{"others alone", carrying(0, record("k", "v", "content-type", "text/plain")), "[]"},
		{"a null", carrying(0, record("", "", "b3", "null")), "[]"},
		{"compressed", carrying(1, traced), "[]"},
		{"a control batch", carrying(1<<5, traced), "[]"},
		{"a record that is longer than it says", carrying(0, wrong, record("", "", "b3", "0")), "[]"},
		{"a record behind a wrong one", carrying(0, record("", "", "b3", "0"), wrong, record("", "", "b3", "1")), "[[{b3 0}]]"},
		{"a long value", carrying(0, record("", "", "b3", strings.Repeat("0", model.MaxField+1), "b3", "1")), "[[{b3 1}]]"},
		{"more records than are kept", carrying(0, many...), "[" + strings.TrimSpace(strings.Repeat("[{b3 0}] ", model.MaxMessages)) + "]"},
		{"more fields than are kept", carrying(0, record("", "", fields...)), "[[" + strings.TrimSpace(strings.Repeat("{b3 b3} ", model.MaxFields)) + "]]"},
		{"behind what is looked at", carrying(0, record("", strings.Repeat("v", maxHead)), traced), "[]"},
		{"before it", carrying(0, traced, record("", strings.Repeat("v", maxHead)), traced), "[[{traceparent " + parentOf(1) + "} {TraceState a=1}]]"},
	} {
		for api, steps := range map[string][]step{
			"Produce": {up(produce(8, 1, "orders", c.records)), down(produced(8, 0, 42, "orders"))},
			"Fetch":   {up(fetch), down(fetched(c.records))},
		} {
			t.Run(api+" "+c.name, func(t *testing.T) {
				got := "[]"
				p := Spec().Setup(&protocol.Env{Emit: func(r *model.Request) { got = fmt.Sprint(r.Messaging.Headers) }})(protocol.Start{})
				for i, s := range steps {
					p.Feed(s.dir, s.p, time.Duration(i))
				}
				if got != c.want {
					t.Errorf("got\n%s\nwant\n%s", got, c.want)
				}
				want, again, _ := taped(steps)
				if replayed := run(protocol.Start{}, again...); strings.Join(replayed, "") != strings.Join(want, "") {
					t.Errorf("a replay says\n%s\nnot\n%s", replayed, want)
				}
			})
		}
	}
}

func TestARecordingKeepsOfRecordsTheContextAlone(t *testing.T) {
	const secret = "s3cret"
	records := carrying(0, record(secret, secret, secret, secret, "traceparent", parentOf(1)), record(secret, secret), record("", "", "b3", "0", "more", secret),
		record(secret, secret))
	_, _, r := taped([]step{up(produce(3, 1, "orders", records)), down(produced(3, 0, 42, "orders"))})
	written := r.written(protocol.Sent)
	if bytes.Contains(written, []byte(secret)) || !bytes.Contains(written, []byte("traceparent")) || !bytes.Contains(written, []byte(parentOf(1))) {
		t.Errorf("it has %q", written)
	}
}
