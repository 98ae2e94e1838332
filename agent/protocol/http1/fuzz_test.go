// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Marks in the input of FuzzSplit; all other bytes are payload.
const (
	markClient = 0xfc + iota // the client speaks
	markServer               // the server speaks
	markSkip                 // the next byte is a number of bytes that were not seen
	markEOF                  // the direction at hand ends
)

// script turns fuzzed bytes into steps.
func script(in []byte) []step {
	steps, from := []step{}, ">"
	for i := 0; i < len(in); i++ {
		switch b := in[i]; b {
		case markClient:
			from = ">"
		case markServer:
			from = "<"
		case markEOF:
			steps = append(steps, step{from: from, eof: true})
		case markSkip:
			if i++; i < len(in) && in[i] > 0 {
				steps = append(steps, step{from: from, skip: uint64(in[i])})
			}
		default:
			n := len(steps)
			if n == 0 || steps[n-1].from != from || steps[n-1].data == "" {
				steps = append(steps, step{from: from})
				n++
			}
			steps[n-1].data += string(b)
		}
	}
	return steps
}

func text(steps ...step) []byte {
	var b []byte
	for _, s := range steps {
		b = append(b, map[string]byte{">": markClient, "<": markServer}[s.from])
		switch {
		case s.eof:
			b = append(b, markEOF)
		case s.skip > 0:
			b = append(b, markSkip, byte(s.skip))
		}
		b = append(b, s.data...)
	}
	return b
}

// split cuts the payload of steps into random pieces, single bytes when random is nil.
func split(steps []step, random *rand.Rand) []step {
	var out []step
	for _, s := range steps {
		for s.data != "" {
			n := 1
			if random != nil {
				n = 1 + random.IntN(len(s.data))
			}
			out = append(out, step{from: s.from, data: s.data[:n]})
			if s.data = s.data[n:]; s.data == "" {
				break
			}
		}
		if s.skip > 0 || s.eof {
			out = append(out, s)
		}
	}
	return out
}

// everything is all that was reported, but for the times.
func (o *observed) everything() string {
	var b strings.Builder
	for _, r := range o.got {
		r.Start, r.RequestEnd, r.ResponseStart, r.End = 0, 0, 0, 0
		h := *r.HTTP
		r.HTTP = nil
		fmt.Fprintf(&b, "%+v %+v\n", r, h)
	}
	return b.String()
}

func runAll(steps []step, joined bool) *observed {
	o := observe(true)
	if joined {
		o.conn.Joined()
	}
	o.run(steps...).close("connection_closed")
	return o
}

// evidenceInside tells whether bytes behind a gap look like a last chunk without ending a piece: there, by design, the
// pieces decide (see gap).
func evidenceInside(steps []step) bool {
	behind := map[string]bool{}
	for _, s := range steps {
		if s.skip > 0 {
			behind[s.from] = true
		}
		if i := strings.Index(s.data, "0\r\n\r\n"); behind[s.from] && i >= 0 && i+5 < len(s.data) {
			return true
		}
	}
	return false
}

func FuzzSplit(f *testing.F) {
	head := "HEAD /x?y HTTP/1.0\nHost: h\r\nUser-Agent: u\r\n\r\n"
	put := "PUT http://h/p HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\nExpect: 100-continue\r\n\r\n"
	f.Add(text(req(getA+head), resp(okHi+okNil), req(getB), resp("HTTP/1.1 200 OK\r\n\r\nany"), respEOF()), uint64(1), false)
	f.Add(text(req(put), resp("HTTP/1.1 100 C\r\n\r\n"), req("3;x\r\nabc\r\n0\r\nT: u\r\n\r\n"), resp(chunk+"a\r\n"), respSkip(3), resp("xxxxxxx\r\n0\r\n\r\n")), uint64(2), false)
	f.Add(text(req(put), resp(no404), req(getB), resp(okHi), req("\r\ngarbage\r\n\r\n"), resp(no404), reqEOF()), uint64(3), false)
	f.Add(text(resp("tail"), req("GET /half"), reqSkip(200), resp(okHi[:20]), respSkip(100), req(getC), resp(okNil), respEOF()), uint64(4), true)
	f.Add(text(req(getA), resp(chunk+"3"), respSkip(50), resp("0\r\n\r\n"+""), req(getB), resp("HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\nxyz"), req("zyx")), uint64(5), false)
	f.Add(text(req(put+"1\r\nx\r\n"), reqSkip(9), resp(no404), req("GET /a HTT"), resp("HTTP/1.1 400 Bad\r\nContent-Length: 1,1\r\n\r\nx")), uint64(6), false)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, joined bool) {
		steps := script(in)
		if evidenceInside(steps) {
			return
		}
		whole := runAll(steps, joined).everything()
		for i, pieces := range [][]step{split(steps, nil), split(steps, rand.New(rand.NewPCG(seed, 1))), split(steps, rand.New(rand.NewPCG(seed, 2)))} {
			if got := runAll(pieces, joined).everything(); got != whole {
				t.Fatalf("pieces %d of %v:\n%s\nwhole:\n%s", i, steps, got, whole)
			}
		}
	})
}

// talk makes a random conversation in which the answer tells the request: request n has path /n and status 400+n.
type talk struct {
	random *rand.Rand
	steps  []step
	n      int
}

func (k *talk) request() string {
	k.n++
	switch k.random.IntN(7) {
	case 0:
		return fmt.Sprintf("POST /%d HTTP/1.1\r\nContent-Length: 30\r\n\r\n%s", k.n, strings.Repeat("r", 30))
	case 1:
		return fmt.Sprintf("PUT /%d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\n%s\r\n0\r\n\r\n", k.n, strings.Repeat("r", 30))
	case 2:
		return fmt.Sprintf("HEAD /%d HTTP/1.1\r\n\r\n", k.n)
	}
	return fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", k.n)
}

func (k *talk) response(request string, n int) string {
	interim := ""
	if k.random.IntN(6) == 0 {
		interim = "HTTP/1.1 103 Early\r\n\r\n"
	}
	head, size := fmt.Sprintf("%sHTTP/1.1 %d S\r\n", interim, 400+n), k.random.IntN(60)
	body := strings.Repeat("s", size)
	chunked := k.random.IntN(2) == 0
	switch {
	case strings.HasPrefix(request, "HEAD") && chunked:
		return head + "Transfer-Encoding: chunked\r\n\r\n"
	case strings.HasPrefix(request, "HEAD"):
		return head + "Content-Length: 50\r\n\r\n"
	case chunked && size > 0:
		return head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n3\r\nttt\r\n0\r\n\r\n", size, body)
	}
	return head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, body)
}

// converse adds turns: in each, some requests and then all their answers. The first batch comes before anything is lost.
func (k *talk) converse(turns, batch int) {
	for range turns {
		requests, responses := "", ""
		for range 1 + k.random.IntN(batch) {
			r := k.request()
			requests += r
			responses += k.response(r, k.n)
		}
		k.steps = append(k.steps, req(requests), resp(responses))
	}
}

// overlap adds requests that do not wait for answers.
func (k *talk) overlap(turns int) {
	var waiting []string
	for range turns {
		for range 1 + k.random.IntN(2) {
			r := k.request()
			k.steps = append(k.steps, req(r))
			waiting = append(waiting, k.response(r, k.n))
		}
		for range 1 + k.random.IntN(2) {
			if len(waiting) > 1 {
				k.steps = append(k.steps, resp(waiting[0]))
				waiting = waiting[1:]
			}
		}
	}
	k.steps = append(k.steps, resp(strings.Join(waiting, "")))
}

// segments cuts steps as a network would, and loses runs of them behind step from.
func (k *talk) segments(from int) []step {
	out := split(k.steps[:from], k.random)
	losing := 0
	for _, s := range split(k.steps[from:], k.random) {
		if losing == 0 && k.random.IntN(12) == 0 {
			losing = 1 + k.random.IntN(5)
		}
		if losing > 0 {
			losing--
			s = step{from: s.from, skip: uint64(len(s.data))}
		}
		out = append(out, s)
	}
	return out
}

// late moves what was lost to where a record of the same or the other direction tells of it, as agent/conn does: first the
// other direction's, then this one's.
func late(steps []step) []step {
	var out []step
	missing := map[string]uint64{}
	tell := func(from string) {
		if missing[from] > 0 {
			out = append(out, step{from: from, skip: missing[from]})
			missing[from] = 0
		}
	}
	for _, s := range steps {
		if s.skip > 0 {
			missing[s.from] += s.skip
			continue
		}
		tell(map[string]string{">": "<", "<": ">"}[s.from])
		tell(s.from)
		out = append(out, s)
	}
	return out
}

func checkAnswers(t *testing.T, k *talk, steps []step) {
	t.Helper()
	all, got := runAll(k.steps, false), runAll(steps, false)
	if len(all.got) != k.n {
		t.Fatalf("%d of %d requests seen without a loss", len(all.got), k.n)
	}
	method := map[string]string{}
	for _, r := range all.got {
		method[r.HTTP.Path] = r.HTTP.Method
	}
	last := 0
	for _, r := range got.got {
		n := 0
		fmt.Sscanf(r.HTTP.Path, "/%d", &n)
		if r.HTTP.Path == "" && r.HTTP.HeadTruncated {
			continue
		}
		if n < 1 || n > k.n || n == last || method[r.HTTP.Path] != r.HTTP.Method || r.HTTP.Status != 0 && r.HTTP.Status != 400+n {
			t.Fatalf("wrong: %s\nsteps %v\nreported:\n%s", line(&r), steps, got.lines())
		}
		if r.Reason == "" && r.HTTP.Status == 0 {
			t.Fatalf("no status: %s", line(&r))
		}
		last = n
	}
}

func randomTalk(seed uint64) (*talk, []step) {
	k := &talk{random: rand.New(rand.NewPCG(seed, 3))}
	from := 0
	switch k.random.IntN(3) {
	case 0:
		k.converse(8, 1)
	case 1:
		k.converse(3, 3)
		from = len(k.steps)
		k.converse(6, 3)
	default:
		k.overlap(4)
		from = len(k.steps)
		k.overlap(6)
	}
	steps := k.segments(from)
	if k.random.IntN(2) == 0 {
		steps = late(steps)
	}
	return k, steps
}

func TestLossNeverMakesWrongRequests(t *testing.T) {
	for seed := range uint64(4000) {
		k, steps := randomTalk(seed)
		checkAnswers(t, k, steps)
	}
}

func FuzzLoss(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		k, steps := randomTalk(seed)
		checkAnswers(t, k, steps)
	})
}

// FuzzAny feeds anything: nothing may break, and what is kept stays bounded.
func FuzzAny(f *testing.F) {
	f.Add([]byte(getA), []byte(okHi), uint64(1))
	f.Fuzz(func(t *testing.T, client, server []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 4))
		o := observe(random.IntN(2) == 0)
		for len(client) > 0 || len(server) > 0 {
			s := step{from: ">"}
			p := &client
			if random.IntN(2) == 0 {
				s.from, p = "<", &server
			}
			if n := random.IntN(8); n == 0 {
				s.skip = 1 + random.Uint64N(20)
			}
			n := random.IntN(len(*p) + 1)
			if n > 0 && random.IntN(10) == 0 {
				(*p)[random.IntN(n)] ^= 1 << random.IntN(8)
			}
			s.data, *p = string((*p)[:n]), (*p)[n:]
			o.run(s)
			if c := o.conn; len(c.queue) > MaxQueue || len(c.side[0].buf) > MaxHead || len(c.side[1].buf) > MaxHead {
				t.Fatal("over the limit")
			}
		}
		o.close("timeout")
		if o.conn.Pending() != 0 {
			t.Fatal("open after close")
		}
		for _, r := range o.got {
			if r.End < r.Start || r.HTTP == nil || bytes.ContainsAny([]byte(r.HTTP.Path), "\n") {
				t.Fatal(line(&r))
			}
		}
	})
}
