// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"bytes"
	"strings"

	"sonde/agent/protocol"
)

// Limits of a frame. Servers take control lines of 4 KB and payloads of 1 MB unless told otherwise, and never more than
// 64 MB; INFO and CONNECT may be longer than a control line.
const (
	keep       = 8 << 10
	maxPayload = 64 << 20
	maxArgs    = 5
)

type verb uint8

const (
	verbNone verb = iota
	verbInfo
	verbConnect
	verbPub
	verbHPub
	verbSub
	verbUnsub
	verbMsg
	verbHMsg
	verbPing
	verbPong
	verbOK
	verbErr
	verbPeer        // a line between servers
	verbPeerMessage // the same, with a payload
)

// verbs are the words that begin a line, with the number of words that may follow. A text goes to the end of the line.
var verbs = [...]struct {
	word     string
	verb     verb
	min, max int
	text     bool
}{
	{"INFO", verbInfo, 1, 1, true},
	{"CONNECT", verbConnect, 1, 1, true},
	{"PUB", verbPub, 2, 3, false},
	{"HPUB", verbHPub, 3, 4, false},
	{"SUB", verbSub, 2, 3, false},
	{"UNSUB", verbUnsub, 1, 2, false},
	{"MSG", verbMsg, 3, 4, false},
	{"HMSG", verbHMsg, 4, maxArgs, false},
	{"PING", verbPing, 0, 0, false},
	{"PONG", verbPong, 0, 0, false},
	{"+OK", verbOK, 0, 0, false},
	{"-ERR", verbErr, 0, 1, true},
	{"RS+", verbPeer, 0, 1, true},
	{"RS-", verbPeer, 0, 1, true},
	{"LS+", verbPeer, 0, 1, true},
	{"LS-", verbPeer, 0, 1, true},
	{"A+", verbPeer, 0, 1, true},
	{"A-", verbPeer, 0, 1, true},
	{"RMSG", verbPeerMessage, 1, 1, true},
	{"LMSG", verbPeerMessage, 1, 1, true},
}

// line is a control line. Its slices point into the bytes that were read.
type line struct {
	verb    verb
	size    int // bytes, line end included
	args    [maxArgs][]byte
	count   int
	header  uint64 // bytes of the payload that are header fields
	payload uint64 // bytes, header included
}

// fromClient and fromServer tell which side may send a line; PING and PONG are both.
func (l *line) fromClient() bool {
	switch l.verb {
	case verbConnect, verbPub, verbHPub, verbSub, verbUnsub:
		return true
	}
	return false
}

func (l *line) fromServer() bool {
	switch l.verb {
	case verbInfo, verbMsg, verbHMsg, verbOK, verbErr:
		return true
	}
	return false
}

func (l *line) carries() bool {
	switch l.verb {
	case verbPub, verbHPub, verbMsg, verbHMsg, verbPeerMessage:
		return true
	}
	return false
}

// frameSize implements protocol.Framer.Size.
func frameSize(p []byte) (uint64, protocol.State) {
	var l line
	state := l.read(p)
	size := uint64(l.size)
	if l.carries() {
		size += l.payload + 2
	}
	return size, state
}

// read reads the control line that p begins with.
func (l *line) read(p []byte) protocol.State {
	*l = line{}
	n := bytes.IndexByte(p, '\n')
	text := p
	if n >= 0 {
		text = bytes.TrimSuffix(p[:n], []byte("\r"))
	}
	word := text[:wordEnd(text)]
	at := -1
	for i := range verbs {
		v := verbs[i].word
		switch {
		case len(word) == len(v) && equalFold(word, v):
			at = i
		case n < 0 && len(word) == len(text) && len(word) < len(v) && equalFold(word, v[:len(word)]):
			return protocol.NeedMore
		}
	}
	switch {
	case at < 0:
		return protocol.Invalid
	case n < 0:
		return protocol.NeedMore
	}
	l.verb, l.size = verbs[at].verb, n+1
	if !l.split(text[len(word):], verbs[at].text) || l.count < verbs[at].min || l.count > verbs[at].max || !l.measure() {
		return protocol.Invalid
	}
	if l.verb == verbErr && (l.count == 0 || l.args[0][0] != '\'') { // Redis has errors of that name, without quotes
		return protocol.Invalid
	}
	return protocol.Done
}

// split finds the words of a line; a text is one word.
func (l *line) split(p []byte, text bool) bool {
	for {
		for len(p) > 0 && isSpace(p[0]) {
			p = p[1:]
		}
		if len(p) == 0 {
			return true
		}
		if l.count == maxArgs {
			return false
		}
		n := len(p)
		if !text {
			n = wordEnd(p)
		}
		l.args[l.count] = p[:n]
		l.count++
		p = p[n:]
	}
}

// measure reads the sizes that a line gives, which come last, and checks what else is a number.
func (l *line) measure() bool {
	var ok bool
	switch l.verb {
	case verbPub, verbMsg:
		l.payload, ok = number(l.last(1))
	case verbHPub, verbHMsg:
		l.payload, ok = number(l.last(1))
		var header bool
		l.header, header = number(l.last(2))
		ok = ok && header && l.header <= l.payload
	case verbPeerMessage:
		text := l.args[0]
		l.payload, ok = number(text[bytes.LastIndexByte(text, ' ')+1:])
	case verbUnsub:
		ok = true
		if l.count == 2 {
			_, ok = number(l.args[1])
		}
	case verbInfo, verbConnect:
		return l.args[0][0] == '{'
	default:
		return true
	}
	return ok && l.payload <= maxPayload && (l.count == 0 || isSubject(l.args[0]))
}

// last returns the i-th word from the end.
func (l *line) last(i int) []byte { return l.args[l.count-i] }

// reply returns the subject that a message asks to be answered at, nil when it does not ask.
func (l *line) reply() []byte {
	switch {
	case l.verb == verbPub && l.count == 3, l.verb == verbHPub && l.count == 4:
		return l.args[1]
	case l.verb == verbMsg && l.count == 4, l.verb == verbHMsg && l.count == 5:
		return l.args[2]
	}
	return nil
}

func wordEnd(p []byte) int {
	for i, b := range p {
		if isSpace(b) || b == '\r' {
			return i
		}
	}
	return len(p)
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' }

// isSubject tells whether a word can be a subject: it has no control characters.
func isSubject(p []byte) bool {
	for _, b := range p {
		if b < ' ' || b == 0x7f {
			return false
		}
	}
	return true
}

// equalFold tells whether p is word, which is in upper case, in any case.
func equalFold(p []byte, word string) bool {
	for i := range len(word) {
		b := p[i]
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		if b != word[i] {
			return false
		}
	}
	return true
}

func number(p []byte) (uint64, bool) {
	if len(p) == 0 || len(p) > 9 { // the servers' own limit
		return 0, false
	}
	n := uint64(0)
	for _, b := range p {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + uint64(b-'0')
	}
	return n, true
}

// matches tells whether a subject matches a subscription: "*" stands for one token, ">" for one or more at the end.
func matches(pattern, subject string) bool {
	for {
		token, rest, more := strings.Cut(pattern, ".")
		word, tail, further := strings.Cut(subject, ".")
		switch {
		case word == "":
			return false
		case token == ">" && !more:
			return true
		case token != "*" && token != word || more != further:
			return false
		case !more:
			return true
		}
		pattern, subject = rest, tail
	}
}
