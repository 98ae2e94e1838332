// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// head is what matters of a message's head. Its slices point into the bytes that were read.
type head struct {
	line   []byte // the start line, without its end
	folded bool   // a field goes on in the next line

	method, target []byte // of a request
	status         int    // of a response
	version        []byte // "1.1"

	fields
	context []contextField // at most model.MaxFields; the memory is used again
}

// contextField may carry trace context.
type contextField struct{ name, value []byte }

// fields are the header fields that matter. A field that came twice has its first value, unless RFC 9110 joins them.
type fields struct {
	host, agent, upgrade    []byte
	subprotocol, extensions []byte // of WebSocket (RFC 6455 11.3)
	length                  uint64
	hasLength               bool
	badLength               bool // not a number, or two different ones (RFC 9112 6.3)
	coded                   bool // has a transfer coding other than identity
	chunked                 bool // the last one is chunked
	expects                 bool // Expect: 100-continue
}

// scan reads the head that p begins with and returns its length, the empty line included. It returns 0 when the head goes
// on behind p; then the fields of whole lines are set.
func (h *head) scan(p []byte) int {
	h.line, h.folded, h.fields, h.context = nil, false, fields{}, h.context[:0]
	for i := 0; i < len(p); {
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			return 0
		}
		l := p[i : i+n]
		i += n + 1
		if n > 0 && l[n-1] == '\r' { // RFC 9112 2.2: a line may end without CR
			l = l[:n-1]
		}
		switch {
		case len(l) == 0:
			return i
		case h.line == nil:
			h.line = l
		case l[0] == ' ' || l[0] == '\t':
			h.folded = true
		default:
			h.field(l)
		}
	}
	return 0
}

// read is scan, and again for a head with folded lines (RFC 9112 5.2), which are rare. scratch holds the unfolded head.
func (h *head) read(p []byte, scratch *[]byte) int {
	n := h.scan(p)
	if !h.folded {
		return n
	}
	whole := p
	if n > 0 {
		whole = p[:n]
	}
	*scratch = unfold((*scratch)[:0], whole)
	h.scan(*scratch)
	return n
}

// unfold joins lines that begin with white space to the line before, except to the start line (RFC 9112 2.2).
func unfold(to, p []byte) []byte {
	for first := true; len(p) > 0; first = false {
		n := bytes.IndexByte(p, '\n') + 1
		if n == 0 {
			return append(to, p...)
		}
		l := p[:n]
		p = p[n:]
		to = append(to, l...)
		for len(p) > 0 && (p[0] == ' ' || p[0] == '\t') {
			if n = bytes.IndexByte(p, '\n') + 1; n == 0 {
				n = len(p)
			}
			if !first {
				to = append(bytes.TrimRight(to, "\r\n"), p[:n]...)
			}
			p = p[n:]
		}
	}
	return to
}

// headEnd returns the length of the head that p begins with, or 0 when it goes on behind p. No head ends in p[:from].
func headEnd(p []byte, from int) int {
	for i := from; i < len(p); {
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		if i < len(p) && p[i] == '\n' {
			return i + 1
		}
		if i+1 < len(p) && p[i] == '\r' && p[i+1] == '\n' {
			return i + 2
		}
	}
	return 0
}

// field reads a field line. The length of the name and its first letter tell nearly all fields apart.
func (h *head) field(l []byte) {
	switch l[0] | 0x20 {
	case 'h':
		if v, ok := value(l, "host"); ok && h.host == nil {
			h.host = v
		}
	case 'u':
		if v, ok := value(l, "user-agent"); ok && h.agent == nil {
			h.agent = v
		} else if v, ok := value(l, "upgrade"); ok && h.upgrade == nil {
			h.upgrade = v
		} else {
			h.carries(l)
		}
	case 'c':
		if v, ok := value(l, "content-length"); ok {
			h.contentLength(v)
		}
	case 't':
		if v, ok := value(l, "transfer-encoding"); ok {
			h.transferEncoding(v)
		} else {
			h.carries(l)
		}
	case 's':
		if v, ok := value(l, "sec-websocket-protocol"); ok && h.subprotocol == nil {
			h.subprotocol = v
		} else if v, ok := value(l, "sec-websocket-extensions"); ok && h.extensions == nil {
			h.extensions = v
		}
	case 'e':
		if v, ok := value(l, "expect"); ok {
			h.expects = equalFold(v, "100-continue")
		}
	case 'b', 'g', 'x':
		h.carries(l)
	}
}

// carries keeps a field that may carry trace context.
func (h *head) carries(l []byte) {
	name, v, _ := bytes.Cut(l, []byte(":"))
	for len(name) > 0 && isSpace(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if len(h.context) < model.MaxFields && protocol.CarriesContext(name) {
		h.context = append(h.context, contextField{name, trim(v)})
	}
}

// value returns the value of a field line whose name is name, which is in lower case.
func value(l []byte, name string) ([]byte, bool) {
	if len(l) <= len(name) || l[len(name)] != ':' && !isSpace(l[len(name)]) || !equalFold(l[:len(name)], name) {
		return nil, false
	}
	rest := l[len(name):]
	for len(rest) > 0 && isSpace(rest[0]) { // RFC 9112 5.1 forbids it: who does not refuse it ignores it
		rest = rest[1:]
	}
	if len(rest) == 0 || rest[0] != ':' {
		return nil, false
	}
	return trim(rest[1:]), true
}

// trim removes what RFC 9110 5.6.3 allows around a value, and line ends that unfold left.
func trim(v []byte) []byte {
	for len(v) > 0 && isSpace(v[0]) {
		v = v[1:]
	}
	for len(v) > 0 && isSpace(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	return v
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' }

// equalFold tells whether v is word, which is in lower case, in any case.
func equalFold(v []byte, word string) bool {
	if len(v) != len(word) {
		return false
	}
	for i := range len(word) {
		if b := v[i]; b != word[i] && (b|0x20 != word[i] || !isLetter(b)) {
			return false
		}
	}
	return true
}

// contentLength reads a length, or a list of equal lengths (RFC 9110 8.6).
func (h *head) contentLength(v []byte) {
	for more := true; more; {
		var one []byte
		one, v, more = bytes.Cut(v, []byte(","))
		n, ok := number(trim(one))
		if !ok || h.hasLength && n != h.length {
			h.badLength = true
			return
		}
		h.length, h.hasLength = n, true
	}
}

func number(v []byte) (uint64, bool) {
	if len(v) == 0 || len(v) > 18 { // 10^18 bytes are more than any body, and cannot overflow
		return 0, false
	}
	n := uint64(0)
	for _, b := range v {
		if !isDigit(b) {
			return 0, false
		}
		n = n*10 + uint64(b-'0')
	}
	return n, true
}

// transferEncoding notes whether the last coding is chunked. Several lines are one list (RFC 9110 5.3).
func (h *head) transferEncoding(v []byte) {
	for more := true; more; {
		var one []byte
		one, v, more = bytes.Cut(v, []byte(","))
		one, _, _ = bytes.Cut(one, []byte(";"))
		one = trim(one)
		if len(one) == 0 || equalFold(one, "identity") { // RFC 2616 had identity
			continue
		}
		h.coded, h.chunked = true, equalFold(one, "chunked")
	}
}

// request reads a request line (RFC 9112 3). White space around its parts may be longer than it should be.
func (h *head) request(l []byte) bool {
	for len(l) > 0 && isSpace(l[len(l)-1]) {
		l = l[:len(l)-1]
	}
	n := methodEnd(l)
	if n == 0 || n == len(l) || l[n] != ' ' {
		return false
	}
	target := l[n:]
	i := bytes.LastIndexByte(target, ' ')
	version, ok := version(target[i+1:])
	target = trim(target[:i])
	if !ok || len(target) == 0 || string(l[:n]) == "PRI" { // the preface of HTTP/2 (RFC 9113 3.4)
		return false
	}
	h.method, h.target, h.version = l[:n], target, version
	return true
}

// methodEnd returns the length of the token that l begins with, 0 when it is too long for a method.
func methodEnd(l []byte) int {
	n := 0
	for n < len(l) && isTokenByte(l[n]) {
		n++
	}
	if n > maxMethod {
		return 0
	}
	return n
}

// RFC 9110 5.6.2
func isTokenByte(b byte) bool {
	switch b {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return isLetter(b) || isDigit(b)
}

// version returns "1.1" of "HTTP/1.1". Protocols that share HTTP's start lines keep their names: "RTSP/1.0" (RFC 7826),
// "ICE/1.0" (Icecast).
func version(v []byte) ([]byte, bool) {
	n := bytes.IndexByte(v, '/') + 1
	if len(v) != n+len("1.1") || !isDigit(v[n]) || v[n+1] != '.' || !isDigit(v[n+2]) {
		return nil, false
	}
	switch string(v[:n]) {
	case "HTTP/":
		return v[n:], true
	case "RTSP/", "ICE/":
		return v, true
	}
	return nil, false
}

// isVersion1 tells whether a version is one of HTTP/1.
func isVersion1(v []byte) bool { return v[0] == '1' }

// response reads a status line (RFC 9112 4). The reason phrase and the space before it may be absent.
func (h *head) response(l []byte) bool {
	i := bytes.IndexByte(l, ' ')
	if i < 0 || len(l) < i+4 || len(l) > i+4 && l[i+4] != ' ' {
		return false
	}
	version, ok := version(l[:i])
	if !ok {
		return false
	}
	n, ok := number(l[i+1 : i+4])
	if !ok || n < 100 {
		return false
	}
	h.status, h.version = int(n), version
	return true
}

// simple reads a request of HTTP/0.9 (RFC 1945 5), which has no version.
func (h *head) simple(l []byte) bool {
	target, ok := bytes.CutPrefix(l, []byte("GET /"))
	if !ok || bytes.IndexByte(target, ' ') >= 0 {
		return false
	}
	h.method, h.target, h.version = l[:len("GET")], l[len("GET "):], []byte("0.9")
	return true
}
