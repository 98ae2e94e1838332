// SPDX-License-Identifier: Apache-2.0

package mongodb

import (
	"encoding/binary"
	"fmt"
	"math"
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

// doc is a document of names and values: int, float64, int64, string, bool, doc and list.
type doc []any

type list []any

func (d doc) String() string {
	b := make([]byte, 4)
	for i := 0; i+1 < len(d); i += 2 {
		b = element(b, d[i].(string), d[i+1])
	}
	b = append(b, 0)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return string(b)
}

func element(b []byte, name string, value any) []byte {
	kind := func(k byte) { b = append(append(append(b, k), name...), 0) }
	switch v := value.(type) {
	case int:
		kind(typeInt32)
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	case int64:
		kind(typeInt64)
		return binary.LittleEndian.AppendUint64(b, uint64(v))
	case float64:
		kind(typeDouble)
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	case bool:
		kind(typeBool)
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	case string:
		kind(typeString)
		return append(append(binary.LittleEndian.AppendUint32(b, uint32(len(v)+1)), v...), 0)
	case doc:
		kind(typeDocument)
		return append(b, v.String()...)
	case list:
		kind(typeArray)
		var d doc
		for i, e := range v {
			d = append(d, fmt.Sprint(i), e)
		}
		return append(b, d.String()...)
	}
	panic(value)
}

func message32(n ...uint32) string {
	var b []byte
	for _, v := range n {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return string(b)
}

func wrap(opcode, id, answers uint32, body string) string {
	return message32(uint32(headerSize+len(body)), id, answers, opcode) + body
}

// msg is an OP_MSG with one section of kind 0, and what else is given.
func msg(id, answers, flags uint32, d doc, more ...string) string {
	return wrap(opMsg, id, answers, message32(flags)+"\x00"+d.String()+strings.Join(more, ""))
}

// sequence is a section of kind 1.
func sequence(name string, docs ...doc) string {
	s := name + "\x00"
	for _, d := range docs {
		s += d.String()
	}
	return "\x01" + message32(uint32(len(s)+4)) + s
}

// observed is a parser with what it reported.
type observed struct {
	parser protocol.Parser
	now    time.Duration
	got    []string
	all    []model.Request
}

func observe() *observed {
	o := &observed{}
	env := &protocol.Env{Emit: func(r *model.Request) {
		db := *r.DB
		o.all = append(o.all, *r)
		o.all[len(o.all)-1].DB = &db
		o.got = append(o.got, show(r))
	}}
	begins.Watch(env)
	o.parser = Spec().Setup(env)(protocol.Start{})
	return o
}

// show prints a request on a line: what it does, its outcome, and what is not empty.
func show(r *model.Request) string {
	d := r.DB
	s := fmt.Sprintf("%s %s %s.%s %s", strings.TrimPrefix(d.Command, "OP_"), d.Operation, d.Namespace, d.Collection, r.Outcome)
	for _, v := range []string{r.Reason, d.Status, d.Message} {
		if v != "" {
			s += " " + v
		}
	}
	if d.Batch > 0 {
		s += fmt.Sprintf(" batch=%d", d.Batch)
	}
	if d.RowsKnown {
		s += fmt.Sprintf(" rows=%d", d.Rows)
	}
	if d.RowsAffected {
		s += "!"
	}
	if r.OneWay {
		s += " oneway"
	}
	return s
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
	name  string
	steps []step
	want  string
}

func runScripts(t *testing.T, scripts []script) {
	t.Helper()
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			if got := observe().run(s.steps...).close().lines(); got != s.want {
				t.Errorf("got\n%s\nwant\n%s", got, s.want)
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
			if got := observe().run(bytewise...).close().lines(); got != s.want {
				t.Errorf("byte by byte\n%s\nwant\n%s", got, s.want)
			}
		})
	}
}
