// SPDX-License-Identifier: Apache-2.0

package http1

import "bytes"

// head is what matters of a message head. Its byte slices point into what was parsed.
type head struct {
	method, target, version []byte // request
	host, agent, upgrade    []byte
	status                  int   // response
	length                  int64 // Content-Length, -1 when absent or unusable
	chunked                 bool
	coded                   bool // has a Transfer-Encoding whose last coding is not chunked
	answer                  bool // begins like a response
}

// What parse returns for what is no whole head.
const (
	needMore = 0
	notHead  = -1
)

func (h *head) isRequest() bool { return !h.answer }

// doubtful tells that a request line may as well be a line of text. It matters where bytes before it were not seen.
func (h *head) doubtful() bool {
	if h.answer {
		return false
	}
	for _, b := range h.method {
		if !isMethod(b) {
			return true
		}
	}
	return !isTarget(h.target[0])
}

// parse reads the head that p begins with and returns its length, its empty line included. Where it returns needMore,
// the complete lines have been read.
func (h *head) parse(p []byte) int {
	h.length = -1
	h.answer = len(p) >= 5 && string(p[:5]) == "HTTP/"
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		return needMore
	}
	if first := trimCR(p[:end]); h.answer && !h.statusLine(first) || !h.answer && !h.requestLine(first) {
		return notHead
	}
	for at := end + 1; at < len(p); {
		rest := p[at:]
		switch {
		case rest[0] == '\n':
			return at + 1
		case rest[0] == '\r' && len(rest) > 1 && rest[1] == '\n':
			return at + 2
		}
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			break
		}
		h.field(rest[:n])
		at += n + 1
	}
	return needMore
}

// headEnd returns the length of the head that p begins with, its empty line included, or 0 when it is not complete.
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

// requestLine reads RFC 9112 3.
func (h *head) requestLine(l []byte) bool {
	sp := bytes.IndexByte(l, ' ')
	if sp < 1 || sp > maxMethod || !isToken(l[:sp]) {
		return false
	}
	const version = "HTTP/1.1"
	l = trimSpace(l)
	at := len(l) - len(version)
	if at < sp+2 || l[at-1] != ' ' || string(l[at:at+7]) != version[:7] || !isDigit(l[at+7]) {
		return false
	}
	h.method, h.target, h.version = l[:sp], trimSpace(l[sp+1:at]), l[at+5:]
	return len(h.target) > 0
}

// statusLine reads RFC 9112 4.
func (h *head) statusLine(l []byte) bool {
	if len(l) < len("HTTP/1.1 200") || string(l[:7]) != "HTTP/1." || !isDigit(l[7]) || l[8] != ' ' {
		return false
	}
	status := 0
	for _, b := range l[9:12] {
		if !isDigit(b) {
			return false
		}
		status = status*10 + int(b-'0')
	}
	if len(l) > 12 && l[12] != ' ' || status < 100 {
		return false
	}
	h.version, h.status = l[5:8], status
	return true
}

// field reads a header line, if it is one that matters. Names are told apart by their first letter, then by where the
// colon is. A line that begins with white space continues the one before (obs-fold, RFC 9112 5.2): none of ours use it.
func (h *head) field(l []byte) {
	if len(l) < len("host:") {
		return
	}
	switch l[0] | 0x20 {
	case 'h':
		if named(l, "host") {
			h.host = trimSpace(l[5:])
		}
	case 'u':
		if named(l, "user-agent") {
			h.agent = trimSpace(l[11:])
		} else if named(l, "upgrade") {
			h.upgrade = trimSpace(l[8:])
		}
	case 'c':
		if named(l, "content-length") {
			h.contentLength(trimSpace(l[15:]))
		}
	case 't':
		if named(l, "transfer-encoding") {
			h.coding(trimSpace(l[18:]))
		}
	}
}

// named tells whether a header line has the name, which is in lower case.
func named(l []byte, name string) bool {
	return len(l) > len(name) && l[len(name)] == ':' && equalFold(l[:len(name)], name)
}

// contentLength reads a length or a list of equal lengths (RFC 9110 8.6); another one is not usable.
func (h *head) contentLength(v []byte) {
	if i := bytes.IndexByte(v, ','); i >= 0 {
		v = trimSpace(v[:i])
	}
	n := int64(0)
	for _, b := range v {
		if !isDigit(b) || n > 1<<58 {
			return
		}
		n = n*10 + int64(b-'0')
	}
	if len(v) > 0 {
		h.length = n
	}
}

// coding reads a Transfer-Encoding: only its last coding decides (RFC 9112 6.3).
func (h *head) coding(v []byte) {
	if i := bytes.LastIndexByte(v, ','); i >= 0 {
		v = trimSpace(v[i+1:])
	}
	h.chunked = len(v) == len("chunked") && equalFold(v, "chunked")
	h.coded = !h.chunked && len(v) > 0 && !(len(v) == len("identity") && equalFold(v, "identity"))
}

// equalFold compares p with word, which has the same length and is in lower case.
func equalFold(p []byte, word string) bool {
	for i := range len(word) {
		if p[i] != word[i] && (p[i]|0x20 != word[i] || word[i] < 'a') {
			return false
		}
	}
	return true
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func trimCR(l []byte) []byte {
	if n := len(l); n > 0 && l[n-1] == '\r' {
		return l[:n-1]
	}
	return l
}

// trimSpace removes optional white space and a line's CR.
func trimSpace(v []byte) []byte {
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t' || v[len(v)-1] == '\r') {
		v = v[:len(v)-1]
	}
	return v
}
