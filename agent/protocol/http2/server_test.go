// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// tap is a relay on loopback that notes what passes, in order.
type tap struct {
	net.Listener
	to    string
	mu    sync.Mutex
	conns []*[]call
	all   sync.WaitGroup
}

// newTap relays to a server until the test ends.
func newTap(t *testing.T, to string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap := &tap{Listener: l, to: to}
	t.Cleanup(func() { l.Close() })
	go tap.serve()
	return tap
}

func (p *tap) serve() {
	for {
		client, err := p.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			client.Close()
			return
		}
		calls := &[]call{}
		p.conns = append(p.conns, calls)
		p.all.Add(2)
		go p.copy(calls, server, client, protocol.Received)
		go p.copy(calls, client, server, protocol.Sent)
	}
}

// copy notes bytes of the client before it passes them on, and so before anything answers them.
func (p *tap) copy(calls *[]call, to, from net.Conn, d protocol.Dir) {
	defer p.all.Done()
	defer to.Close()
	b := make([]byte, 3000)
	for {
		n, err := from.Read(b)
		if n > 0 {
			p.mu.Lock()
			*calls = append(*calls, call{dir: d, p: slices.Clone(b[:n])})
			p.mu.Unlock()
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// serve answers /n/size with status n and a body of a size, after having read the request.
func serve(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status, size int
		fmt.Sscanf(r.URL.Path, "/%d/%d", &status, &size)
		io.Copy(io.Discard, r.Body)
		if size%2 == 1 {
			w.Header().Set("Trailer", "Checksum")
			defer w.Header().Set("Checksum", "1")
		}
		w.Header().Set("X-Size", fmt.Sprint(size))
		w.WriteHeader(status)
		for range size / 1000 {
			io.WriteString(w, strings.Repeat("b", 1000))
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, strings.Repeat("b", size%1000))
	}), Protocols: cleartext()}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

func cleartext() *http.Protocols {
	p := &http.Protocols{}
	p.SetUnencryptedHTTP2(true)
	return p
}

// want is a request as the client knows it.
func want(i int) (path string, request, answer int, line string) {
	status := []int{200, 404, 503, 201, 418}[i%5]
	request, answer = i*37%5000, i*911%70000
	path = fmt.Sprintf("/%d/%d/%d", status, answer, i)
	return path, request, answer, fmt.Sprintf("POST %s?q=%d %d %d/%d", path, i, status, request, answer)
}

// load sends n requests, as many at the same time as there are streams.
func load(t *testing.T, address string, n, streams int) {
	t.Helper()
	transport := &http.Transport{Protocols: cleartext(), DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	send(t, client, address, 0) // the others find the connection open
	var all sync.WaitGroup
	turns := make(chan int)
	for range streams {
		all.Go(func() {
			for i := range turns {
				send(t, client, address, i)
			}
		})
	}
	for i := 1; i < n; i++ {
		turns <- i
	}
	close(turns)
	all.Wait()
}

func send(t *testing.T, client *http.Client, address string, i int) {
	path, request, answer, _ := want(i)
	r, _ := http.NewRequestWithContext(context.Background(), "POST", fmt.Sprintf("http://%s%s?q=%d", address, path, i), strings.NewReader(strings.Repeat("r", request)))
	got, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	if n, _ := io.Copy(io.Discard, got.Body); int(n) != answer {
		t.Errorf("%s: %d bytes", path, n)
	}
	got.Body.Close()
}

// TestRealClientAndServer holds each request of a load against what the client sent, also when the bytes are cut otherwise and
// when all payload of DATA is skipped.
func TestRealClientAndServer(t *testing.T) {
	for _, streams := range []int{1, 8, 100} {
		t.Run(fmt.Sprint(streams), func(t *testing.T) {
			n := 10 + 4*streams
			tap := newTap(t, serve(t))
			load(t, tap.Addr().String(), n, streams)
			tap.all.Wait()
			var lines []string
			for i := range n {
				_, _, _, line := want(i)
				lines = append(lines, line)
			}
			slices.Sort(lines)
			for name, way := range map[string]func([]call) []call{
				"as it came": slices.Clone[[]call], "without data": withoutData,
				"in pieces": func(c []call) []call { return pieces(c, 7) },
			} {
				var all []model.Request
				for _, calls := range tap.conns {
					all = append(all, observe(protocol.Start{}).run(way(*calls)).close().got...)
				}
				if got := loadLines(t, all); !slices.Equal(got, lines) {
					t.Errorf("%s: %d requests, want %d\n%s", name, len(got), n, strings.Join(got, "\n"))
				}
			}
			if len(tap.conns) != 1 {
				t.Errorf("%d connections: the streams were not side by side", len(tap.conns))
			}
		})
	}
}

func loadLines(t *testing.T, all []model.Request) (lines []string) {
	t.Helper()
	for i := range all {
		r := &all[i]
		h := r.HTTP
		lines = append(lines, fmt.Sprintf("%s %s?%s %d %d/%d", h.Method, h.Path, h.Query, h.Status, h.RequestBodyBytes, h.ResponseBodyBytes))
		if r.Outcome == model.OutcomeIncomplete || h.HeadTruncated || h.UserAgent != "Go-http-client/2.0" || !strings.HasPrefix(h.Host, "127.0.0.1:") {
			t.Errorf("%s: %s", line(r), h.UserAgent)
		}
		if r.Start > r.RequestEnd || r.RequestEnd > r.End || r.ResponseStart <= r.Start || r.ResponseStart > r.End {
			t.Errorf("%s: %v %v %v %v", line(r), r.Start, r.RequestEnd, r.ResponseStart, r.End)
		}
	}
	slices.Sort(lines)
	return lines
}

// pieces cuts all calls in pieces of at most n bytes.
func pieces(calls []call, n int) (cut []call) {
	for _, c := range calls {
		for p := range slices.Chunk(c.p, n) {
			cut = append(cut, call{dir: c.dir, p: p})
		}
	}
	return cut
}

// withoutData turns payload of DATA into gaps but for some bytes at its beginning, as the kernel's side does.
func withoutData(calls []call) (cut []call) {
	const kept = 5
	type walk struct {
		preface, left, seen int
		head                []byte
	}
	var dirs [2]walk
	dirs[protocol.Received].preface = len(prefaceText)
	for _, c := range calls {
		w := &dirs[c.dir]
		for p := c.p; len(p) > 0; {
			if w.preface > 0 {
				n := min(w.preface, len(p))
				cut = append(cut, call{dir: c.dir, p: p[:n]})
				w.preface, p = w.preface-n, p[n:]
				continue
			}
			if w.left == 0 {
				n := min(headSize-len(w.head), len(p))
				w.head = append(w.head, p[:n]...)
				cut = append(cut, call{dir: c.dir, p: p[:n]})
				if p = p[n:]; len(w.head) == headSize {
					f := readFrame(w.head)
					w.left, w.seen = int(f.length), 1<<30
					if w.head = w.head[:0]; f.typ == typeData {
						w.seen = kept
					}
				}
				continue
			}
			n := min(w.left, len(p))
			if w.seen > 0 {
				n = min(n, w.seen)
				w.seen -= n
				cut = append(cut, call{dir: c.dir, p: p[:n]})
			} else {
				cut = append(cut, call{dir: c.dir, skip: uint64(n)})
			}
			w.left -= n
			p = p[n:]
		}
	}
	return cut
}
