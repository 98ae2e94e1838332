// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"

	"sonde/agent/protocol"
)

// Probe says what the first bytes of a turn look like. Anything may still turn out otherwise: it decides only whether a
// parser is worth its while.
func Probe(p []byte) protocol.Guess {
	for len(p) > 0 && (p[0] == '\r' || p[0] == '\n') { // RFC 9112 2.2
		p = p[1:]
	}
	if len(p) == 0 {
		return protocol.GuessMaybe
	}
	const version = "HTTP/1."
	if n := min(len(p), len(version)); string(p[:n]) == version[:n] {
		if n == len(version) {
			return protocol.GuessResponse
		}
		return protocol.GuessMaybe
	}
	return probeRequest(p)
}

const maxMethod = 24

func probeRequest(p []byte) protocol.Guess {
	if p[0] < 'A' || p[0] > 'Z' {
		return protocol.GuessNo
	}
	for i := 1; i < len(p); i++ {
		switch c := p[i]; {
		case c == ' ':
			if i+1 == len(p) {
				return protocol.GuessMaybe
			}
			if i > 1 && isTarget(p[i+1]) {
				return protocol.GuessRequest
			}
			return protocol.GuessNo
		case i >= maxMethod || !isMethod(c):
			return protocol.GuessNo
		}
	}
	return protocol.GuessMaybe
}

func isMethod(c byte) bool {
	return 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func isTarget(c byte) bool {
	return c == '/' || c == '*' || c == '[' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// head is what matters of a message head. Its byte slices point into what was parsed.
type head struct {
	method, target, version []byte // request
	status                  int    // response
	host, agent, upgrade    []byte
	length                  int64 // Content-Length, -1 when absent or unusable
	chunked                 bool
	coded                   bool // has a Transfer-Encoding whose last coding is not chunked
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

// line cuts the first line off p, without its end.
func line(p []byte) (first, rest []byte) {
	n := bytes.IndexByte(p, '\n')
	if n < 0 {
		return p, nil
	}
	first, rest = p[:n], p[n+1:]
	if n > 0 && first[n-1] == '\r' {
		first = first[:n-1]
	}
	return first, rest
}

// parseRequest reads a request head (RFC 9112 3). It returns false for what is no request line.
func (h *head) parseRequest(p []byte) bool {
	first, rest := line(p)
	sp := bytes.IndexByte(first, ' ')
	if sp < 1 || sp > maxMethod || !isToken(first[:sp]) {
		return false
	}
	h.method = first[:sp]
	target := bytes.TrimLeft(first[sp+1:], " ")
	end := bytes.LastIndexByte(target, ' ')
	if end < 1 || !bytes.HasPrefix(target[end+1:], []byte("HTTP/1.")) || len(target)-end-1 != len("HTTP/1.1") {
		return false
	}
	h.target, h.version = target[:end], target[end+1+len("HTTP/"):]
	h.fields(rest)
	return true
}

// parseResponse reads a response head (RFC 9112 4).
func (h *head) parseResponse(p []byte) bool {
	first, rest := line(p)
	if len(first) < len("HTTP/1.1 200") || first[8] != ' ' || !bytes.HasPrefix(first, []byte("HTTP/1.")) {
		return false
	}
	h.version = first[5:8]
	h.status = 0
	for _, c := range first[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		h.status = h.status*10 + int(c-'0')
	}
	if len(first) > 12 && first[12] != ' ' || h.status < 100 {
		return false
	}
	h.fields(rest)
	return true
}

func isToken(p []byte) bool {
	for _, c := range p {
		if !isMethod(c) && (c < 'a' || c > 'z') && bytes.IndexByte([]byte("!#$%&'*+.^`|~"), c) < 0 {
			return false
		}
	}
	return true
}

// fields reads the header fields that matter.
func (h *head) fields(p []byte) {
	h.host, h.agent, h.upgrade = nil, nil, nil
	h.length, h.chunked, h.coded = -1, false, false
	for len(p) > 0 {
		var l []byte
		l, p = line(p)
		if len(l) == 0 {
			return
		}
		// obs-fold (RFC 9112 5.2): a line that begins with white space belongs to the one before, none of ours uses it
		if len(l) < 6 || l[0] == ' ' || l[0] == '\t' {
			continue
		}
		h.field(l)
	}
}

// field looks at names by length first: most lines are told apart by one comparison.
func (h *head) field(l []byte) {
	switch l[0] | 0x20 {
	case 'h':
		if v, ok := value(l, "host"); ok {
			h.host = v
		}
	case 'u':
		if v, ok := value(l, "user-agent"); ok {
			h.agent = v
		} else if v, ok := value(l, "upgrade"); ok {
			h.upgrade = v
		}
	case 'c':
		if v, ok := value(l, "content-length"); ok {
			h.contentLength(v)
		}
	case 't':
		if v, ok := value(l, "transfer-encoding"); ok {
			h.chunked = hasSuffixFold(v, "chunked")
			h.coded = !h.chunked && !hasFold(v, "identity")
		}
	}
}

// value returns the value of a field line whose name is name (lower case).
func value(l []byte, name string) ([]byte, bool) {
	if len(l) <= len(name) || l[len(name)] != ':' {
		return nil, false
	}
	for i := range len(name) {
		if l[i]|0x20 != name[i] && l[i] != name[i] {
			return nil, false
		}
	}
	return bytes.Trim(l[len(name)+1:], " \t"), true
}

// contentLength reads a length or a list of equal lengths (RFC 9110 8.6); another one makes it unusable.
func (h *head) contentLength(v []byte) {
	if i := bytes.IndexByte(v, ','); i >= 0 {
		v = bytes.Trim(v[:i], " \t")
	}
	n := int64(0)
	for _, c := range v {
		if c < '0' || c > '9' || n > 1<<58 {
			return
		}
		n = n*10 + int64(c-'0')
	}
	if len(v) > 0 {
		h.length = n
	}
}

func hasFold(v []byte, word string) bool {
	for i := 0; i+len(word) <= len(v); i++ {
		if equalFold(v[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

func hasSuffixFold(v []byte, word string) bool {
	return len(v) >= len(word) && equalFold(v[len(v)-len(word):], word)
}

func equalFold(p []byte, word string) bool {
	for i := range len(word) {
		if p[i]|0x20 != word[i] && p[i] != word[i] {
			return false
		}
	}
	return true
}
