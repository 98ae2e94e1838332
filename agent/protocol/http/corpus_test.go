// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sonde/agent/model"
)

// A fixture is a case of llhttp's own tests: bytes, and the log of what its parser makes of them.
type fixture struct {
	name, meta, input string
	messages          []expected
	failed            bool // llhttp refuses it
}

// expected is one message of a fixture; offsets are -1 while unknown.
type expected struct {
	method, url, version     string
	status                   int
	begin, headEnd, complete int
	interim                  int // bytes of the interim answers before it
	skipBody, upgrade        bool
}

// deviations are fixtures read otherwise than llhttp does, with the reason.
var deviations = map[string]string{
	"request/content-length/Invalid whitespace token with `Content-Length` header field (lenient)": spaceBeforeColon,
	"request/content-length/Content-Length reset when no body is received":                         "its application tells the parser to skip a body; the bytes announce one",
	"request/content-length/Missing CRLF-CRLF before body (lenient)":                               bareCR,
	"request/invalid/Only LFs present (lenient)":                                                   "an empty line ends the trailer section, what follows is no trailer (RFC 9112 7.1)",
	"request/lenient-headers/Empty headers separated by CR (lenient)":                              bareCR,
	"request/lenient-version/Invalid HTTP version (lenient)":                                       notHTTP1,
	"request/method/SOURCE request with ICE":                                                       notHTTP1,
	"request/method/OPTIONS request with RTSP":                                                     notHTTP1,
	"request/method/ANNOUNCE request with RTSP":                                                    notHTTP1,
	"request/sample/No HTTP version":                                                               notHTTP1,
	"request/transfer-encoding/POST with `Transfer-Encoding` and `Content-Length` (lenient)":       "identity is no coding (RFC 9112 7 no longer has it), so the length holds",
	"request/transfer-encoding/Chunk header not terminated by CRLF (lenient)":                      bareCR,
	"response/lenient-version/Invalid HTTP version (lenient)":                                      notHTTP1,
	"response/sample/RTSP response":                                                                notHTTP1,
	"response/sample/ICE response":                                                                 notHTTP1,
	"response/sample/HTTP version 0.9":                                                             notHTTP1,
}

const (
	spaceBeforeColon = "white space before the colon must be refused (RFC 9112 5.1)"
	bareCR           = "a CR alone ends no line (RFC 9112 2.2)"
	notHTTP1         = "another protocol or version than HTTP/1.x"
)

func TestLLHTTPFixtures(t *testing.T) {
	cases := fixtures(t)
	good, same := 0, 0
	for _, f := range cases {
		if f.failed {
			playFixture(&f, nil) // anything but a panic
			for seed := range uint64(10) {
				playFixture(&f, atRandom(seed))
			}
			continue
		}
		good++
		diff := f.differs()
		if reason, ok := deviations[f.name]; ok {
			t.Logf("deviation: %s: %s", f.name, reason)
			if diff == "" {
				t.Errorf("%s: listed as deviation, but is read alike", f.name)
			}
			continue
		}
		if diff != "" {
			t.Errorf("%s: %s\n%q", f.name, diff, f.input)
			continue
		}
		same++
	}
	t.Logf("llhttp: %d fixtures, %d valid, %d of them read alike (%.1f %%)", len(cases), good, same, 100*float64(same)/float64(good))
	if good < 100 {
		t.Errorf("only %d valid fixtures found: has their format changed?", good)
	}
}

func corpora(t *testing.T) string {
	dir := os.Getenv("SONDE_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "corpora")
	}
	dir = filepath.Join(dir, "llhttp", "test")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no fixtures in %s (set SONDE_CORPORA)", dir)
	}
	return dir
}

var blocks = regexp.MustCompile("(?ms)^#+ ([^\n]*)$|<!-- meta=([^\n]*) -->|^```(http|log)\n(.*?)\n?```")

func fixtures(t *testing.T) (all []fixture) {
	dir := corpora(t)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all = append(all, parseFixtures(strings.TrimSuffix(name, ".md"), string(text))...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func parseFixtures(file, text string) (all []fixture) {
	var f fixture
	for _, m := range blocks.FindAllStringSubmatch(text, -1) {
		switch {
		case m[1] != "":
			f = fixture{name: file + "/" + m[1]}
		case m[2] != "":
			f.meta = m[2]
		case m[3] == "http":
			f.input = unescape(m[4])
		case m[3] == "log":
			f.readLog(m[4])
			all = append(all, f)
			f = fixture{name: f.name + "+", meta: f.meta}
		}
	}
	return all
}

var escape = regexp.MustCompile(`\\x[0-9a-fA-F]{2}|\\.`)

// unescape turns the text of a block into bytes: its lines end with CRLF, a backslash at the end of a line joins two.
func unescape(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\\\n", ""), "\n", "\r\n")
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		switch e[1] {
		case 'r':
			return "\r"
		case 'n':
			return "\n"
		case 't':
			return "\t"
		case 'f':
			return "\f"
		case '0':
			return "\x00"
		case 'x':
			n, _ := strconv.ParseUint(e[2:], 16, 8)
			return string(rune(n))
		}
		return e
	})
}

var (
	logLine = regexp.MustCompile(`^off=(\d+) (?:len=\d+ )?(.*)$`)
	span    = regexp.MustCompile(`^span\[(\w+)\]="(.*)"$`)
	done    = regexp.MustCompile(`^headers complete (?:method=\d+ |status=(\d+) )v=(\d)/(\d)`)
)

func (f *fixture) readLog(log string) {
	for _, l := range strings.Split(log, "\n") {
		m := logLine.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		off, _ := strconv.Atoi(m[1])
		if m[2] == "message begin" {
			f.messages = append(f.messages, expected{begin: off, headEnd: -1, complete: -1})
			continue
		}
		if strings.HasPrefix(m[2], "error code=") {
			up := strings.HasPrefix(m[2], "error code=22")
			f.failed = f.failed || !up
			continue
		}
		if n := len(f.messages); n > 0 {
			f.messages[n-1].readLine(off, m[2])
		}
	}
}

func (e *expected) readLine(off int, l string) {
	if s := span.FindStringSubmatch(l); s != nil {
		switch s[1] {
		case "method":
			e.method += s[2]
		case "url":
			e.url += s[2]
		case "version":
			e.version += s[2]
		}
		return
	}
	if h := done.FindStringSubmatch(l); h != nil {
		e.headEnd = off
		e.status, _ = strconv.Atoi(h[1])
		return
	}
	switch l {
	case "message complete":
		e.complete = off
	case "skip body":
		e.skipBody = true
	}
}

func (f *fixture) isResponse() bool { return strings.Contains(f.meta, `"type": "response`) }

func atRandom(seed uint64) func() int {
	r := rand.New(rand.NewPCG(seed, 4))
	return func() int { return 1 + r.IntN(1+r.IntN(30)) }
}

// playFixture plays a fixture in pieces of the sizes that next gives, whole when it is nil. Answers follow as many requests
// as there are.
func playFixture(f *fixture, next func() int) []model.Request {
	script := []act{client(f.input), clientEOF(), closed()}
	if f.isResponse() {
		var requests strings.Builder
		for _, e := range f.messages {
			method := "GET"
			if e.skipBody {
				method = "HEAD"
			}
			requests.WriteString(method + " / HTTP/1.1\r\n\r\n")
		}
		script = []act{client(requests.String()), server(f.input), serverEOF(), closed()}
	}
	if next != nil {
		script = pieces(script, next)
	}
	return play(script)
}

// differs says where what the parser made of a fixture is not what llhttp made of it, "" for nowhere.
func (f *fixture) differs() string {
	got := playFixture(f, nil)
	if d := f.compare(got); d != "" {
		return d
	}
	want := timeless(got)
	if cut := timeless(playFixture(f, func() int { return 1 })); cut != want {
		return fmt.Sprintf("byte by byte\n%sin one piece\n%s", cut, want)
	}
	for seed := range uint64(20) {
		if cut := timeless(playFixture(f, atRandom(seed))); cut != want {
			return fmt.Sprintf("in pieces\n%sin one piece\n%s", cut, want)
		}
	}
	return ""
}

func (f *fixture) compare(got []model.Request) string {
	want := f.messages
	if f.isResponse() {
		want = merged(want)
	}
	for i := range want {
		if want[i].headEnd < 0 {
			want = want[:i] // not complete: nothing to compare
			break
		}
	}
	if len(got) < len(want) {
		return fmt.Sprintf("%d messages, want %d", len(got), len(want))
	}
	for i := range want {
		if d := want[i].compare(&got[i], f); d != "" {
			return fmt.Sprintf("message %d: %s", i, d)
		}
	}
	return ""
}

// merged adds interim answers to the final one that follows.
func merged(all []expected) (out []expected) {
	for i := 0; i < len(all); i++ {
		e := all[i]
		for e.status >= 100 && e.status < 200 && e.status != 101 && i+1 < len(all) {
			i++
			all[i].interim = e.interim + e.complete - e.begin
			e = all[i]
		}
		out = append(out, e)
	}
	return out
}

func (e *expected) compare(r *model.Request, f *fixture) string {
	h := r.HTTP
	total, body := int(r.RequestBytes), int(h.RequestBodyBytes)
	if f.isResponse() {
		total, body = int(r.ResponseBytes), int(h.ResponseBodyBytes)
	} else if h.Method != e.method || !sameTarget(e.url, h) || h.Version != e.version {
		return fmt.Sprintf("%s %s %s, want %s %s %s", h.Method, target(h), h.Version, e.method, e.url, e.version)
	}
	if h.Status != e.status {
		return fmt.Sprintf("status %d, want %d", h.Status, e.status)
	}
	end := e.complete
	if end < 0 {
		end = len(f.input)
	}
	total -= e.interim
	if total != end-e.begin || body != end-e.headEnd {
		return fmt.Sprintf("%d bytes, %d of them body; want %d and %d", total, body, end-e.begin, end-e.headEnd)
	}
	return ""
}

// sameTarget compares a target with its parts, as far as they were kept.
func sameTarget(url string, h *model.HTTP) bool {
	if _, rest, absolute := strings.Cut(url, "://"); absolute && url[0] != '/' {
		_, credentials, found := strings.Cut(rest, "@")
		if found {
			rest = credentials
		}
		rest = strings.TrimPrefix(rest, h.Host)
		if !strings.HasPrefix(rest, "/") {
			rest = "/" + rest
		}
		url = rest
	}
	return url == target(h)
}

// target puts the request target together again as far as it was kept.
func target(h *model.HTTP) string {
	switch {
	case h.Method == "CONNECT":
		return h.Host
	case h.Query != "":
		return h.Path + "?" + h.Query
	}
	return h.Path
}
