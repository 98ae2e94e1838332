// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"bytes"
	"encoding/json"
	"strings"

	"sonde/agent/protocol"
)

// A recording keeps control lines: subjects, groups, subscriptions and sizes. Of the options of INFO and CONNECT it keeps
// what they are called and what is reported, of payloads what JetStream says of a request, of header fields trace context.

// mark tells a recording what of a frame it may hold.
func (c *Conn) mark(d protocol.Dir, l *line, f *protocol.Frame) {
	s := protocol.NewScreen(c.shared.env.Marks, d, f.At, f.Head)
	head := f.Head[:min(l.size, len(f.Head))]
	switch l.verb {
	case verbInfo, verbConnect, verbErr, verbPeer, verbPeerMessage:
		s.Keep(head[:wordEnd(head)])
		if l.count > 0 {
			s.Keep(head[wordEnd(head):s.Offset(l.args[0])])
			keepOptions(&s, l)
		}
		s.Keep(head[len(bytes.TrimRight(head, "\r\n")):])
	default:
		s.Keep(head)
	}
	if l.carries() {
		keepPayload(&s, l, f)
	}
	s.End(f.Size)
}

// keepOptions keeps what is needed of a text.
func keepOptions(s *protocol.Screen, l *line) {
	text := l.args[0]
	switch l.verb {
	case verbInfo:
		s.Keep(text[:1])
		keepWord(s, text, `"server_id"`)
	case verbConnect:
		s.Replace(text, withoutValues(text))
	case verbErr:
		s.Keep(text[:min(len(text), 64)])
		if i := bytes.Index(text, []byte(`Publish to "`)); i >= 0 {
			rest := text[i:]
			s.Keep(rest[:len(rest)-len(bytes.TrimLeftFunc(rest, func(r rune) bool { return r != '\'' }))])
		}
	case verbPeerMessage:
		s.Keep(text[bytes.LastIndexByte(text, ' ')+1:])
	}
}

// keepWord keeps the first place of a word.
func keepWord(s *protocol.Screen, p []byte, word string) {
	if i := bytes.Index(p, []byte(word)); i >= 0 {
		s.Keep(p[i : i+len(word)])
	}
}

// withoutValues returns an object of the same length with other strings and numbers in it, but for the name of the client.
func withoutValues(text []byte) []byte {
	masked := bytes.Clone(text)
	if !json.Valid(text) {
		fill(masked[1:])
		return masked
	}
	name := false // what comes is the value of "name"
	for i := 0; i < len(text); {
		switch b := text[i]; {
		case b == '"':
			end := stringEnd(text, i)
			rest := bytes.TrimLeft(text[end:], " \t\r\n")
			isKey := len(rest) > 0 && rest[0] == ':'
			if !isKey && !name {
				fill(masked[i+1 : end-1])
			}
			name = isKey && strings.EqualFold(string(text[i+1:end-1]), "name") // as encoding/json does
			i = end
			continue
		case '0' <= b && b <= '9':
			masked[i] = '1'
			name = false
		case b == ',' || b == '{' || b == '[':
			name = false
		}
		i++
	}
	return masked
}

// stringEnd returns where the string that begins at i ends, in a text that is valid.
func stringEnd(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func fill(p []byte) {
	for i := range p {
		p[i] = 'x'
	}
}

// keepPayload keeps the status of a message, what acknowledges one, the numbers of an answer of JetStream, and the line end.
func keepPayload(s *protocol.Screen, l *line, f *protocol.Frame) {
	body := f.Head[l.size:]
	if f.Whole {
		if !bytes.HasSuffix(body, lineEnd) {
			return
		}
		defer s.Keep(body[len(body)-len(lineEnd):])
		body = body[:len(body)-len(lineEnd)]
	} else {
		defer s.WriteAt(f.Size-uint64(len(lineEnd)), lineEnd)
	}
	switch {
	case l.header > 0:
		if n := len(status(l, f.Head)); n > 0 {
			rest := bytes.TrimLeft(body[len("NATS/1.0"):], " ")
			s.Keep(body[:len(body)-len(rest)+n])
		}
		l.fields(f.Head, func(_, _, line []byte) { s.Keep(line) })
	case bytes.HasPrefix(l.args[0], []byte(ackPrefix)):
		for _, w := range acknowledgements {
			if bytes.HasPrefix(body, []byte(w.word)) {
				s.Keep(body[:len(w.word)])
				return
			}
		}
	case len(body) > 0 && body[0] == '{':
		keepJetStream(s, body)
	}
}

// keepJetStream goes the way of exchange.jetStream.
func keepJetStream(s *protocol.Screen, body []byte) {
	for _, prefix := range []string{`{"stream":`, `{"error":{"code":`, `{"type":"io.nats.jetstream.api.`} {
		if !bytes.HasPrefix(body, []byte(prefix)) {
			continue
		}
		s.Keep(body[:len(prefix)])
		for at := len(strings.TrimSuffix(prefix, `"code":`)); at < len(body); {
			n := keepNumber(s, body[at:])
			if n == 0 {
				return
			}
			at += n
		}
	}
}

// keepNumber keeps the next number with its key, and returns how many bytes it went over.
func keepNumber(s *protocol.Screen, p []byte) int {
	first, word := -1, ""
	for _, key := range []string{`"seq":`, `"error":{`, `"err_code":`, `"code":`} {
		if i := bytes.Index(p, []byte(key)); i >= 0 && (first < 0 || i < first) {
			first, word = i, key
		}
	}
	if first < 0 {
		return 0
	}
	end := first + len(word)
	for end < len(p) && (p[end] == ' ' || '0' <= p[end] && p[end] <= '9') {
		end++
	}
	s.Keep(p[first:end])
	return end
}
