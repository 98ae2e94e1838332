// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/http"
)

// Inputs of the fuzz targets are lists of calls: a byte that says which one and in which direction, two bytes of a length,
// then the bytes to feed.
const calls = "fsecj"

func encode(script []act) []byte {
	var b []byte
	for _, a := range script {
		n := min(len(a.bytes), 40_000)
		length := n
		if a.what == 's' {
			length = int(min(a.n, 0xffff))
		}
		b = append(b, byte(strings.IndexByte(calls, a.what))<<1|byte(a.dir), byte(length>>8), byte(length))
		b = append(b, a.bytes[:n]...)
	}
	return b
}

func decode(b []byte) []act {
	var script []act
	for len(b) >= 3 {
		a := act{what: calls[int(b[0]>>1)%len(calls)], dir: protocol.Dir(b[0] & 1)}
		n := int(b[1])<<8 | int(b[2])
		b = b[3:]
		switch a.what {
		case 'f':
			n = min(n, len(b))
			a.bytes, b = string(b[:n]), b[n:]
		case 's':
			a.n = uint64(max(1, n))
		case 'c':
			a.close = protocol.Close{Reason: "connection_closed", SentAcked: uint64(n), AckedKnown: n&1 == 1}
		}
		script = append(script, a)
	}
	return append(script, closed())
}

func addSeeds(f *testing.F) {
	for i, x := range allExchanges() {
		f.Add(encode(x.script), uint64(i))
	}
}

func FuzzAnySplitGivesTheSameRequests(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) {
		script := decode(input)
		if hasGap(script) {
			t.Skip()
		}
		r := rand.New(rand.NewPCG(seed, 1))
		want, got := timeless(play(script)), timeless(play(pieces(script, func() int { return 1 + r.IntN(40) })))
		if got != want {
			t.Errorf("in pieces\n%swhole\n%s", got, want)
		}
	})
}

// conversation makes a well-formed exchange of a client that waits for the answers of a batch before it sends the next.
// Each request has a path of its own, from which its method and status follow.
func conversation(r *rand.Rand) (script []act, answers map[string]string) {
	answers = map[string]string{}
	id := 0
	for range 1 + r.IntN(5) {
		var requests, replies strings.Builder
		for range 1 + r.IntN(1+r.IntN(4)) {
			id++
			path := "/" + string(rune('a'+id%26)) + strings.Repeat("p", r.IntN(30)) + "/" + string(rune('0'+id/26))
			method := pick(r, "GET", "HEAD", "POST", "PUT", "DELETE")
			status := pick(r, "200", "204", "304", "404", "500", "201")
			answers[path] = method + " " + status
			requests.WriteString(method + " " + path + " HTTP/1.1\r\nHost: x\r\n" + field(r))
			if method[0] == 'P' {
				requests.WriteString(framed(r))
			} else {
				requests.WriteString("\r\n")
			}
			if r.IntN(6) == 0 {
				replies.WriteString(early)
			}
			replies.WriteString("HTTP/1.1 " + status + " X\r\n" + field(r))
			switch body := framed(r); {
			case method == "HEAD" || status == "204" || status == "304":
				replies.WriteString("Content-Length: 99\r\n\r\n")
			default:
				replies.WriteString(body)
			}
		}
		script = append(script, client(requests.String()), server(replies.String()))
	}
	return append(script, closed()), answers
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func field(r *rand.Rand) string {
	return pick(r, "", "Cookie: a=b; c=d\r\n", "X-Long: "+strings.Repeat("y", 100)+"\r\n")
}

// framed is the end of a head and a body. Bodies look as much like messages as they can.
func framed(r *rand.Rand) string {
	body := strings.Repeat(pick(r, "x", "hello, world\r\n", "\r\n0\r\n\r\n", "0\n", no0, getA), r.IntN(60))
	if r.IntN(2) == 0 {
		return "Content-Length: " + itoa(len(body)) + "\r\n\r\n" + body
	}
	var b strings.Builder
	b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
	for len(body) > 0 {
		n := 1 + r.IntN(len(body))
		b.WriteString(hex(n) + pick(r, "", ";x=y") + "\r\n" + body[:n] + "\r\n")
		body = body[n:]
	}
	return b.String() + "0\r\n" + pick(r, "", "", "X-Trailer: 1\r\n") + "\r\n"
}

// torn replaces pieces of what a script feeds by gaps.
func torn(script []act, r *rand.Rand) []act {
	var out []act
	for _, a := range pieces(script, func() int { return 1 + r.IntN(200) }) {
		if a.what == 'f' && r.IntN(8) == 0 {
			a = act{what: 's', dir: a.dir, n: uint64(len(a.bytes))}
		}
		out = append(out, a)
	}
	return out
}

// FuzzGapsGiveNoWrongValue holds what is left of a conversation with gaps against what it was.
func FuzzGapsGiveNoWrongValue(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, seed, gaps uint64) {
		script, answers := conversation(rand.New(rand.NewPCG(seed, 2)))
		whole := play(script)
		if len(whole) != len(answers) {
			t.Fatalf("%d requests without gaps, want %d", len(whole), len(answers))
		}
		check(t, whole, answers)
		check(t, play(torn(script, rand.New(rand.NewPCG(gaps, 3)))), answers)
	})
}

func check(t *testing.T, got []model.Request, answers map[string]string) {
	t.Helper()
	for i := range got {
		h := got[i].HTTP
		want, known := answers[h.Path]
		if !known && h.HeadTruncated {
			for path, a := range answers { // a target that was cut
				if strings.HasPrefix(path, h.Path) && strings.HasPrefix(a, h.Method+" ") {
					want, known = a, true
				}
			}
			want = h.Method + " " + itoa(h.Status)
		}
		if h.Status == 0 && got[i].Outcome == model.OutcomeIncomplete {
			want = strings.Fields(want + " ?")[0]
			if known && want == h.Method {
				continue
			}
		}
		if !known || want != h.Method+" "+itoa(h.Status) {
			t.Errorf("%s: sent %q", short(&got[i]), want)
		}
	}
}

// FuzzArbitraryCalls makes no sense on purpose: nothing panics, and what is kept and reported stays within what was fed.
func FuzzArbitraryCalls(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, input []byte, _ uint64) {
		var fed, reported uint64
		s := http1.NewShared(func(r *model.Request) { reported += r.RequestBytes + r.ResponseBytes })
		c := s.New()
		script := decode(input)
		for i, a := range script {
			a.do(c, time.Duration(i))
			fed += uint64(len(a.bytes)) + a.n
			if c.Pending() > 3*http1.MaxQueue {
				t.Fatalf("%d requests pending", c.Pending())
			}
		}
		if c.Pending() != 0 {
			t.Errorf("%d requests pending after Close", c.Pending())
		}
		if reported > fed {
			t.Errorf("%d bytes in reports, %d seen", reported, fed)
		}
		c.Release()
	})
}

// TestHostileTrafficIsBoundedInMemory feeds 60 MB on one connection: requests without answers, all different, and a head
// without an end.
func TestHostileTrafficIsBoundedInMemory(t *testing.T) {
	s := http1.NewShared(func(*model.Request) {})
	c := s.New()
	before := heap()
	for i := range 100_000 {
		c.Feed(fromClient, []byte("GET /"+itoa(i)+strings.Repeat("x", 200)+" HTTP/1.1\r\n\r\n"), 1)
	}
	c.Feed(fromClient, []byte("GET / HTTP/1.1\r\nX: "), 1)
	for range 40 {
		c.Feed(fromClient, make([]byte, 1<<20), 1)
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d bytes kept", grown)
	}
	c.Close(protocol.Close{})
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func itoa(n int) string { return strconv.Itoa(n) }

func hex(n int) string { return strconv.FormatInt(int64(n), 16) }
