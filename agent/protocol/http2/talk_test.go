// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	xhpack "golang.org/x/net/http2/hpack"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// call is one call of a parser.
type call struct {
	dir  protocol.Dir
	p    []byte
	skip uint64
}

// peer writes the frames of one direction.
type peer struct {
	dir    protocol.Dir
	frames bytes.Buffer
	framer *xhttp2.Framer
	block  bytes.Buffer
	coder  *xhpack.Encoder
}

func newPeer(d protocol.Dir) *peer {
	p := &peer{dir: d}
	p.framer = xhttp2.NewFramer(&p.frames, nil)
	p.framer.AllowIllegalWrites = true
	p.coder = xhpack.NewEncoder(&p.block)
	return p
}

// talk is a conversation: a list of calls, seen at the server's socket. Each frame is a call of its own.
type talk struct {
	client, server *peer
	calls          []call
}

func newTalk() *talk {
	return &talk{client: newPeer(protocol.Received), server: newPeer(protocol.Sent)}
}

// begin passes the prefaces.
func (k *talk) begin() *talk {
	k.client.frames.WriteString(prefaceText)
	k.client.framer.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingEnablePush, Val: 0})
	k.pass(k.client)
	k.server.framer.WriteSettings()
	k.server.framer.WriteSettingsAck()
	k.pass(k.server)
	k.client.framer.WriteSettingsAck()
	return k.pass(k.client)
}

// pass makes a call of what a peer has written.
func (k *talk) pass(p *peer) *talk {
	k.calls = append(k.calls, call{dir: p.dir, p: bytes.Clone(p.frames.Bytes())})
	p.frames.Reset()
	return k
}

// drop turns the last call into a gap.
func (k *talk) drop() *talk {
	c := &k.calls[len(k.calls)-1]
	c.skip, c.p = uint64(len(c.p)), nil
	return k
}

// cut turns the bytes [from, to) of the last call into a gap. to 0 is its end.
func (k *talk) cut(from, to int) *talk {
	last := k.calls[len(k.calls)-1]
	if to == 0 {
		to = len(last.p)
	}
	k.calls = k.calls[:len(k.calls)-1]
	for _, c := range []call{{dir: last.dir, p: last.p[:from]}, {dir: last.dir, skip: uint64(to - from)}, {dir: last.dir, p: last.p[to:]}} {
		if len(c.p) > 0 || c.skip > 0 {
			k.calls = append(k.calls, c)
		}
	}
	return k
}

const open, end = false, true

func (p *peer) fields(fields string) []byte {
	p.block.Reset()
	for _, l := range strings.Split(fields, "\n") {
		name, value, _ := strings.Cut(l, "= ")
		p.coder.WriteField(xhpack.HeaderField{Name: name, Value: value})
	}
	return p.block.Bytes()
}

func (k *talk) headers(p *peer, id uint32, fields string, ends bool) *talk {
	p.framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: p.fields(fields), EndStream: ends, EndHeaders: true})
	return k.pass(p)
}

func (k *talk) request(id uint32, path string, ends bool) *talk {
	return k.headers(k.client, id, ":method= GET\n:scheme= http\n:path= "+path+"\n:authority= example.org\nuser-agent= test/1", ends)
}

func headersOf(k *talk, id uint32, path string) xhttp2.HeadersFrameParam {
	return xhttp2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: k.client.fields(":method= GET\n:scheme= http\n:path= " + path)}
}

func (k *talk) answer(id uint32, status string, ends bool) *talk {
	return k.headers(k.server, id, ":status= "+status+"\nserver= nginx", ends)
}

func (k *talk) call(id uint32, method string, more ...string) *talk {
	fields := ":method= POST\n:scheme= http\n:path= /" + method + "\n:authority= example.org\ncontent-type= application/grpc\nte= trailers"
	return k.headers(k.client, id, strings.Join(append([]string{fields}, more...), "\n"), open)
}

func (k *talk) accept(id uint32) *talk {
	return k.headers(k.server, id, ":status= 200\ncontent-type= application/grpc", open)
}

func (k *talk) trailers(id uint32, status string, more ...string) *talk {
	return k.headers(k.server, id, strings.Join(append([]string{"grpc-status= " + status}, more...), "\n"), end)
}

func (k *talk) data(p *peer, id uint32, s string, ends bool) *talk {
	p.framer.WriteData(id, ends, []byte(s))
	return k.pass(p)
}

func (k *talk) reset(p *peer, id uint32, code xhttp2.ErrCode) *talk {
	p.framer.WriteRSTStream(id, code)
	return k.pass(p)
}

func (k *talk) goAway(last uint32, code xhttp2.ErrCode) *talk {
	k.server.framer.WriteGoAway(last, code, []byte("bye"))
	return k.pass(k.server)
}

// message is a message of gRPC with n bytes.
func message(n int) string {
	return string([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + strings.Repeat("m", n)
}

// observer runs calls on a parser and collects what it reports. Call n passes at n ms.
type observer struct {
	conn *conn
	now  time.Duration
	got  []model.Request
}

func observe(s protocol.Start) *observer {
	o := &observer{}
	env := &protocol.Env{Emit: func(r *model.Request) { o.got = append(o.got, *clone(r)) }}
	o.conn = Spec().Setup(env)(s).(*conn)
	return o
}

func clone(r *model.Request) *model.Request {
	x := *r
	if r.HTTP != nil {
		h := *r.HTTP
		x.HTTP = &h
	}
	if r.RPC != nil {
		c := *r.RPC
		x.RPC = &c
	}
	return &x
}

func (o *observer) run(calls []call) *observer {
	for _, c := range calls {
		o.now += time.Millisecond
		if c.skip > 0 {
			o.conn.Skip(c.dir, c.skip, o.now)
		} else {
			o.conn.Feed(c.dir, c.p, o.now)
		}
	}
	return o
}

func (o *observer) close() *observer {
	o.now += time.Millisecond
	o.conn.Close(protocol.Close{Time: o.now, Reason: "connection_closed"})
	return o
}

// line is a request in a line: what a reader would want to know.
func line(r *model.Request) string {
	h := r.HTTP
	s := fmt.Sprintf("%s %s", orDash(h.Method), orDash(h.Path))
	if c := r.RPC; c != nil {
		s = fmt.Sprintf("grpc %s", orDash(c.Method))
	}
	s += fmt.Sprintf(" %d", h.Status)
	if c := r.RPC; c != nil {
		s += fmt.Sprintf(" status %d", c.Status)
		if c.StatusInferred {
			s += " inferred"
		}
		s += fmt.Sprintf(" messages %d/%d", c.RequestMessages, c.ResponseMessages)
		if c.MessagesUncounted {
			s += " at least"
		}
	}
	s += " " + r.Outcome.String()
	for _, more := range []string{r.Reason, r.ErrorType} {
		if more != "" {
			s += " " + more
		}
	}
	if h.HeadTruncated {
		s += " cut"
	}
	return s
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (o *observer) lines() string {
	var l []string
	for i := range o.got {
		l = append(l, line(&o.got[i]))
	}
	return strings.Join(l, "\n")
}

// talkTest is a conversation and what is reported of it, a request in a line.
type talkTest struct {
	name  string
	talk  *talk
	want  string
	close bool
	start protocol.Start
}

func runTalks(t *testing.T, tests []talkTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(test.start).run(test.talk.calls)
			if test.close {
				o.close()
			}
			if got := o.lines(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
