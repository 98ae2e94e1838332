// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// plan is what a request of a story is.
type plan struct {
	path, method string
	status       int
	grpc         bool
	grpcStatus   int
	body, answer uint64
	messages     [2]uint64
}

// story is a conversation of many streams at once, and what its requests are, by the number of the call that began them.
type story struct {
	talk  *talk
	plans map[int]*plan
}

// live is a stream of a story.
type live struct {
	id       uint32
	plan     *plan
	sent     bool // the request has ended
	answered bool // the head of the answer has passed
}

func tell(seed uint64, steps int) *story {
	random := rand.New(rand.NewPCG(seed, 1))
	s := &story{talk: newTalk().begin(), plans: map[int]*plan{}}
	var open []*live
	next := uint32(1)
	for range steps {
		if len(open) == 0 || len(open) < 20 && random.IntN(3) == 0 {
			open = append(open, s.open(random, next))
			next += 2
			continue
		}
		i := random.IntN(len(open))
		if s.step(random, open[i]) {
			open = append(open[:i], open[i+1:]...)
		}
	}
	return s
}

func (s *story) open(random *rand.Rand, id uint32) *live {
	p := &plan{method: []string{"GET", "POST", "PATCH"}[random.IntN(3)], grpc: random.IntN(2) == 0, status: 200, grpcStatus: -1}
	p.path = fmt.Sprintf("/p.S/M%d", random.IntN(40))
	fields := fmt.Sprintf(":method= %s\n:scheme= http\n:path= %s\n:authority= host-%d\nx-id= %d", p.method, p.path, random.IntN(3), random.IntN(99))
	if p.grpc {
		fields += "\ncontent-type= application/grpc"
	} else {
		p.status = []int{200, 404, 418, 500, 503}[random.IntN(5)]
	}
	l := &live{id: id, plan: p, sent: random.IntN(2) == 0}
	s.plans[len(s.talk.calls)] = p
	s.talk.headers(s.talk.client, id, fields, l.sent)
	return l
}

// step passes one more frame of a stream and tells whether it was the last.
func (s *story) step(random *rand.Rand, l *live) (last bool) {
	k, p := s.talk, l.plan
	switch {
	case random.IntN(40) == 0:
		k.reset([]*peer{k.client, k.server}[random.IntN(2)], l.id, xhttp2.ErrCodeCancel)
		if p.grpc {
			p.grpcStatus = 1
		}
		return true
	case !l.sent && random.IntN(2) == 0:
		n := random.IntN(200)
		l.sent = random.IntN(2) == 0
		k.data(k.client, l.id, s.payload(p, 0, n), l.sent)
		return false
	case !l.answered:
		l.answered = true
		k.headers(k.server, l.id, fmt.Sprintf(":status= %d\nx-server= %d\ncontent-type= %s", p.status, random.IntN(9), contentType(p)), false)
		return false
	case random.IntN(2) == 0:
		k.data(k.server, l.id, s.payload(p, 1, random.IntN(200)), false)
		return false
	}
	if p.grpc {
		p.grpcStatus = random.IntN(17)
		k.trailers(l.id, fmt.Sprint(p.grpcStatus), fmt.Sprintf("grpc-message= message %d", random.IntN(3)))
	} else {
		k.data(k.server, l.id, "", true)
	}
	return true
}

func contentType(p *plan) string {
	if p.grpc {
		return "application/grpc"
	}
	return "text/html"
}

func (s *story) payload(p *plan, side, n int) string {
	text := strings.Repeat("x", n)
	if p.grpc {
		text = message(n)
		p.messages[side]++
	}
	if side == 0 {
		p.body += uint64(len(text))
	} else {
		p.answer += uint64(len(text))
	}
	return text
}

// listen runs calls on a parser; each passes at the time that at says.
func listen(calls []call, at []int, start protocol.Start) []model.Request {
	o := observe(start)
	for i, c := range calls {
		o.now = time.Duration(at[i]) * time.Second
		if c.skip > 0 {
			o.conn.Skip(c.dir, c.skip, o.now)
		} else {
			o.conn.Feed(c.dir, c.p, o.now)
		}
	}
	return o.close().got
}

func times(n int) []int {
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	return at
}

// FuzzSplit holds that it makes no difference how bytes are cut.
func FuzzSplit(f *testing.F) {
	f.Add(uint64(1), uint64(1), uint8(100))
	f.Fuzz(func(t *testing.T, seed, cuts uint64, steps uint8) {
		s := tell(seed, int(steps))
		want := listen(s.talk.calls, times(len(s.talk.calls)), protocol.Start{})
		s.check(t, want, true)
		random := rand.New(rand.NewPCG(cuts, 2))
		var pieces []call
		var at []int
		for i, c := range s.talk.calls {
			for p := c.p; len(p) > 0; {
				n := 1 + random.IntN(len(p))
				if random.IntN(3) == 0 {
					n = 1 + random.IntN(min(len(p), 12))
				}
				pieces, at, p = append(pieces, call{dir: c.dir, p: p[:n]}), append(at, i), p[n:]
			}
		}
		if got := listen(pieces, at, protocol.Start{}); !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%s\nwant\n%s", lines(got), lines(want))
		}
	})
}

// FuzzLoss holds that no loss gives a request another's path, method or status, and that none is reported twice.
func FuzzLoss(f *testing.F) {
	f.Add(uint64(1), uint64(1), uint8(100), uint8(20))
	f.Add(uint64(2), uint64(3), uint8(200), uint8(3))
	f.Fuzz(func(t *testing.T, seed, cuts uint64, steps, every uint8) {
		s := tell(seed, int(steps))
		random := rand.New(rand.NewPCG(cuts, 2))
		from := 0
		start := protocol.Start{}
		if random.IntN(3) == 0 { // joined
			from, start.Joined = random.IntN(len(s.talk.calls)), true
		}
		var calls []call
		var at []int
		add := func(i int, c call) {
			if len(c.p) > 0 || c.skip > 0 {
				calls, at = append(calls, c), append(at, i)
			}
		}
		for i, c := range s.talk.calls[from:] {
			a, b := 0, 0
			if every > 0 && random.IntN(int(every)) == 0 {
				a, b = 0, len(c.p)
				if random.IntN(2) == 0 {
					a = random.IntN(len(c.p))
					b = a + 1 + random.IntN(len(c.p)-a)
				}
			}
			add(from+i, call{dir: c.dir, p: c.p[:a]})
			add(from+i, call{dir: c.dir, skip: uint64(b - a)})
			add(from+i, call{dir: c.dir, p: c.p[b:]})
		}
		s.check(t, listen(calls, at, start), false)
	})
}

// check holds requests against their plans. Without a loss all must be there.
func (s *story) check(t *testing.T, got []model.Request, whole bool) {
	t.Helper()
	seen := map[int]bool{}
	for i := range got {
		r := &got[i]
		at := int(r.Start / time.Second)
		p := s.plans[at]
		if p == nil || seen[at] {
			t.Fatalf("call %d: %s is no request, or reported twice", at, line(r))
		}
		seen[at] = true
		if err := p.compare(r, whole); err != "" {
			t.Fatalf("call %d: %s: %s, planned %+v", at, line(r), err, *p)
		}
	}
	if whole && len(seen) != len(s.plans) {
		t.Fatalf("%d requests, planned %d", len(seen), len(s.plans))
	}
}

func (p *plan) compare(r *model.Request, whole bool) string {
	h := r.HTTP
	method := strings.TrimPrefix(p.path, "/")
	switch {
	case h.Path != p.path && (h.Path != "" || !h.HeadTruncated):
		return "path"
	case h.Method != p.method && (h.Method != "" || !h.HeadTruncated):
		return "method"
	case h.Status != p.status && h.Status != 0:
		return "HTTP status"
	case h.Status == 0 && r.RPC == nil && r.Outcome != model.OutcomeIncomplete:
		return "an outcome without a status"
	case r.RPC != nil && !p.grpc, r.RPC == nil && p.grpc && !h.HeadTruncated:
		return "protocol"
	case h.RequestBodyBytes > p.body || h.ResponseBodyBytes > p.answer:
		return "more than was sent"
	case r.RPC != nil && (r.RPC.Method != method && r.RPC.Method != ""):
		return "rpc method"
	case r.RPC != nil && r.Outcome != model.OutcomeIncomplete && r.RPC.Status != p.grpcStatus:
		return "status"
	case r.RPC != nil && (r.RPC.RequestMessages > p.messages[0] || r.RPC.ResponseMessages > p.messages[1]):
		return "more messages than were sent"
	case whole && (h.HeadTruncated || r.RPC != nil && r.RPC.MessagesUncounted || r.Outcome != model.OutcomeIncomplete && h.ResponseBodyBytes != p.answer):
		return "not all was seen"
	case whole && r.RPC != nil && r.Outcome != model.OutcomeIncomplete && [2]uint64{r.RPC.RequestMessages, r.RPC.ResponseMessages} != p.messages:
		return "messages"
	}
	return ""
}

func lines(all []model.Request) string { return (&observer{got: all}).lines() }

// FuzzAny holds that nothing breaks the bounds: bytes of anything, joined or not.
func FuzzAny(f *testing.F) {
	for _, c := range newTalk().begin().request(1, "/a", end).answer(1, "200", end).calls {
		f.Add(c.p, uint8(3))
	}
	s := tell(7, 60)
	var all []byte
	for _, c := range s.talk.calls {
		all = append(append(all, byte(c.dir)<<7|byte(len(c.p)&0x7f)), c.p...)
	}
	f.Add(all, uint8(0))
	f.Fuzz(func(t *testing.T, p []byte, how uint8) {
		for _, start := range []protocol.Start{{}, {Joined: true}, {Upgrade: &model.Request{HTTP: &model.HTTP{}}, Client: protocol.Received}} {
			o := observe(start)
			if how&1 == 0 {
				o.run([]call{{dir: protocol.Received, p: []byte(prefaceText)}})
			}
			for rest := p; len(rest) > 0; {
				n, d := int(rest[0]&0x7f), protocol.Dir(rest[0]>>7)
				rest = rest[1:]
				c := call{dir: d, p: rest[:min(n, len(rest))]}
				rest = rest[len(c.p):]
				if len(c.p) > 0 && c.p[0] == 0xff {
					c = call{dir: d, skip: uint64(len(c.p))}
				}
				if len(c.p) > 0 || c.skip > 0 {
					o.run([]call{c})
				}
				if len(rest) > 0 {
					probe(rest[:min(len(rest), 512)])
				}
			}
			o.close()
			if o.conn.Pending() != 0 {
				t.Fatal("something is open behind the end")
			}
			o.conn.Release()
		}
	})
}

// TestFloodIsBounded passes what costs memory: streams without end, heads without end, tables that are filled.
func TestFloodIsBounded(t *testing.T) {
	o := observe(protocol.Start{})
	o.run(newTalk().begin().calls)
	k := newTalk()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range uint32(3 * MaxStreams) {
		k.client.framer.WriteHeaders(headersOf(k, 2*i+1, fmt.Sprintf("/%0200d", i)))
		o.run([]call{{dir: protocol.Received, p: k.client.frames.Bytes()}})
		k.client.frames.Reset()
		o.got = nil
	}
	k.client.framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1<<30 + 1, BlockFragment: []byte("\x00\x7f\xff\xff\x03")})
	for range 2000 {
		k.client.framer.WriteContinuation(1<<30+1, false, make([]byte, 16<<10))
		o.run([]call{{dir: protocol.Received, p: k.client.frames.Bytes()}})
		k.client.frames.Reset()
	}
	if used := int64(heap()) - int64(before); used > 8<<20 {
		t.Errorf("%d bytes for %d streams", used, o.conn.Pending())
	}
	o.conn.Release()
}
