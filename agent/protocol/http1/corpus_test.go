// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// fixture is one case of llhttp's tests: bytes of one direction and what llhttp says of them.
type fixture struct {
	name, kind, input string
	noBody            bool // the answers are to HEAD
	broken            bool // llhttp reports an error
	messages          []fixtureMessage
}

type fixtureMessage struct {
	method, url, version string
	status               int
	protocol             string
	begin, end           int // offsets; end is 0 when the message goes on
	before               int // bytes of interim answers before it
	body                 int
	chunked, head        bool // head: it is whole
}

var (
	fixturePattern = regexp.MustCompile("(?s)<!-- meta=(\\{[^\\n]*\\}) -->\\s*```http\\n(.*?)\\n```\n.*?```log\\n(.*?)\\n```")
	kindPattern    = regexp.MustCompile(`"type": ?"([^"]*)"`)
	spanPattern    = regexp.MustCompile(`^off=(\d+) len=(\d+) span\[(\w+)\]=(?:"(.*)"|\w+)$`)
	headPattern    = regexp.MustCompile(`headers complete .*?(?:status=(\d+))?(?: |$)`)
	offPattern     = regexp.MustCompile(`^off=(\d+) (.*)$`)
	joinedLines    = regexp.MustCompile(`\\(\r\n|\r|\n)`)
	lineEnds       = regexp.MustCompile(`\r\n|\r|\n`)
	hexEscapes     = regexp.MustCompile(`\\x([0-9a-fA-F]+)`)
)

func corpora(t *testing.T) string {
	t.Helper()
	root := os.Getenv("SONDE_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "corpora")
	}
	root = filepath.Join(root, "llhttp", "test")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no fixtures in %s: set SONDE_CORPORA to the folder that holds llhttp", root)
	}
	return root
}

func loadFixtures(t *testing.T) []fixture {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpora(t), "*", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	var all []fixture
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range fixturePattern.FindAllStringSubmatch(string(text), -1) {
			f := fixture{name: fmt.Sprintf("%s/%s#%d", filepath.Base(filepath.Dir(file)), filepath.Base(file), i), input: unescape(m[2])}
			f.kind = filepath.Base(filepath.Dir(file))
			if k := kindPattern.FindStringSubmatch(m[1]); k != nil {
				f.kind = k[1]
			}
			f.noBody = strings.Contains(m[1], "skipBody")
			f.readLog(m[3])
			all = append(all, f)
		}
	}
	return all
}

func unescape(s string) string {
	s = joinedLines.ReplaceAllString(s, "")
	s = lineEnds.ReplaceAllString(s, "\r\n")
	s = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t", `\f`, "\f").Replace(s)
	return hexEscapes.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[2:], 16, 8)
		return string(rune(n)) // as the fixtures' own runner does
	})
}

func (f *fixture) readLog(log string) {
	var m *fixtureMessage
	for _, l := range strings.Split(log, "\n") {
		off := offPattern.FindStringSubmatch(l)
		if off == nil {
			continue
		}
		at, _ := strconv.Atoi(off[1])
		span := spanPattern.FindStringSubmatch(l)
		switch {
		case strings.Contains(l, "error code=22"): // not an error: HTTP ends here
			return
		case strings.Contains(l, "error code="):
			f.broken = true
			return
		case off[2] == "message begin":
			f.messages = append(f.messages, fixtureMessage{begin: at})
			m = &f.messages[len(f.messages)-1]
		case m == nil:
		case span != nil:
			m.span(span)
		case strings.Contains(l, "headers complete"):
			m.head = true
			if m.version == "" && strings.Contains(l, "v=0/9") {
				m.version = "0.9"
			}
			m.status, _ = strconv.Atoi(headPattern.FindStringSubmatch(l)[1])
		case strings.Contains(l, "chunk header"):
			m.chunked = true
		case off[2] == "message complete":
			m.end = at
		}
	}
}

func (m *fixtureMessage) span(span []string) {
	size, _ := strconv.Atoi(span[2])
	switch span[3] {
	case "method":
		m.method += span[4]
	case "url":
		m.url += span[4]
	case "protocol":
		m.protocol += span[4]
	case "version":
		m.version += span[4]
		if m.protocol != "HTTP" {
			m.version = m.protocol + "/" + m.version
		}
	case "body":
		m.body += size
	}
}

func (f *fixture) isRequest() bool { return strings.HasPrefix(f.kind, "request") }

// final returns the messages that sonde reports: interim answers are part of the final one.
func (f *fixture) final() []fixtureMessage {
	var out []fixtureMessage
	before := 0
	for _, m := range f.messages {
		for m.begin < len(f.input) && strings.IndexByte("\r\n", f.input[m.begin]) >= 0 { // RFC 9112 2.2: part of no message
			m.begin++
		}
		if m.status >= 100 && m.status < 200 && m.status != 101 {
			before += m.end - m.begin
			continue
		}
		m.before, before = before, 0
		if m.head {
			out = append(out, m)
		}
	}
	return out
}

// steps is the conversation that the fixture is one half of.
func (f *fixture) steps() []step {
	if f.isRequest() {
		return []step{req(f.input)}
	}
	method := "GET"
	if f.noBody {
		method = "HEAD"
	}
	return []step{req(strings.Repeat(method+" / HTTP/1.1\r\n\r\n", len(f.messages)+1)), resp(f.input)}
}

// compare returns what sonde says otherwise than llhttp.
func (f *fixture) compare(o *observed) (wrong []string) {
	say := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	want := f.final()
	if len(o.got) < len(want) {
		say("%d messages, want %d", len(o.got), len(want))
		return wrong
	}
	for i, m := range want {
		r := &o.got[i]
		size, body := r.ResponseBytes, r.HTTP.ResponseBodyBytes
		if f.isRequest() {
			size, body = r.RequestBytes, r.HTTP.RequestBodyBytes
			if r.HTTP.Method != m.method || r.HTTP.Version != m.version || !sameTarget(r.HTTP.Path, r.HTTP.Query, r.HTTP.Host, m.url) {
				say("message %d: %s %s ? %s %s, want %+v", i, r.HTTP.Method, r.HTTP.Path, r.HTTP.Query, r.HTTP.Version, m)
			}
		} else if r.HTTP.Status != m.status {
			say("message %d: status %d, want %d", i, r.HTTP.Status, m.status)
		}
		if m.end > 0 && int(size) != m.before+m.end-m.begin {
			say("message %d: %d bytes, want %d", i, size, m.before+m.end-m.begin)
		}
		if !m.chunked && int(body) != m.body {
			say("message %d: body of %d bytes, want %d", i, body, m.body)
		}
	}
	return wrong
}

func sameTarget(path, query, host, url string) bool {
	target := path
	if i := strings.IndexByte(url, '?'); i >= 0 {
		target += "?" + query
	}
	_, rest, absolute := strings.Cut(url, "://")
	if _, after, ok := strings.Cut(rest, "@"); ok {
		rest = after
	}
	return target == url || path == "" && host == url ||
		absolute && (host+target == rest || path == "/" && host+strings.TrimPrefix(target, "/") == rest)
}

// knownDifferences are bytes that mark a fixture which is read otherwise here, and why.
var knownDifferences = []struct{ bytes, why string }{
	{"\n\rabc", "llhttp was told to take CR for a line end (smuggling)"},
	{"6\r\r;ABCD", "the same"},
	{"Transfer-Encoding: identity", "llhttp was told to take a length beside a coding; identity is obsolete (RFC 9112 7) and none, not a body without end"},
	{"D\n0\n\nBaz: ghi", "llhttp was told to be lenient and looks for a trailer behind the empty line that ends it"},
}

func (f *fixture) knownDifference() string {
	if f.isRequest() && f.noBody {
		return "llhttp was told to skip the body of a request"
	}
	for _, d := range knownDifferences {
		if strings.Contains(f.input, d.bytes) {
			return d.why
		}
	}
	return ""
}

// TestFixturesOfLLHTTP holds framing against another parser. Its errors are no errors here: an observer sees what clients
// and servers took from each other; such cases must only be the same for each way to cut them.
func TestFixturesOfLLHTTP(t *testing.T) {
	agree, compared, known, broken := 0, 0, 0, 0
	for _, f := range loadFixtures(t) {
		whole := runAll(f.steps(), false)
		random := rand.New(rand.NewPCG(1, uint64(len(f.input))))
		for i, pieces := range [][]step{split(f.steps(), nil), split(f.steps(), random), split(f.steps(), random)} {
			if got := runAll(pieces, false).everything(); got != whole.everything() {
				t.Errorf("%s in pieces %d:\n%s\nwhole:\n%s", f.name, i, got, whole.everything())
			}
		}
		if f.broken {
			broken++
			continue
		}
		compared++
		switch wrong := f.compare(whole); {
		case len(wrong) == 0:
			agree++
		case f.knownDifference() != "":
			known++
			t.Logf("%s: %s", f.name, f.knownDifference())
		default:
			t.Errorf("%s: %s\n%q\n%s", f.name, strings.Join(wrong, "; "), f.input, whole.lines())
		}
	}
	t.Logf("%d of %d fixtures agree with llhttp (%.1f %%); %d more are about modes of its own, named above; %d, which it rejects, do no harm",
		agree, compared-known, 100*float64(agree)/float64(compared-known), known, broken)
}
