// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"
	"time"
)

// Limits of what is kept of a command.
const (
	MaxQuery    = 512 // bytes of a query
	MaxArgument = 256 // bytes of a key, a function or a user
	maxName     = 64  // bytes of a command with its subcommand
)

// draft is the command being read.
type draft struct {
	open  bool   // something of it has come
	args  int    // how many it has, with its name
	next  int    // index of the next argument
	at    uint64 // position of its first byte
	start time.Duration
	bytes uint64

	command   *command // nil for one that is not known
	operation string
	query     []byte
	cut       bool // something of the query was not seen or not kept
	keys      int
	counted   int // keys that numkeys announces
	streams   int // index of STREAMS

	procedure, user string
	named           bool // the argument before was AUTH
	db              int32
	mode            byte // of CLIENT REPLY: 'o'n, of'f', 's'kip
	ack             bool // REPLCONF ACK
	kept            bool // the argument at hand is no value: it is reported, or says how the rest is to be read
}

func (d *draft) begin(args int) {
	d.args, d.next, d.db = args, 0, noDB
	d.command, d.operation, d.procedure, d.user = nil, "", "", ""
	d.query, d.cut, d.keys, d.counted, d.streams = d.query[:0], false, 0, 0, 0
	d.named, d.mode, d.ack = false, 0, false
}

// argument takes the next argument: its size, and as much of its beginning as was seen, at most MaxArgument bytes.
func (d *draft) argument(all commands, head []byte, size uint64) {
	i := d.next
	d.next++
	d.kept = true
	whole := uint64(len(head)) == size
	switch {
	case i == 0:
		d.name(all, head, whole)
		return
	case i == 1 && d.command != nil && d.command.container && d.subcommand(all, head):
		return
	}
	d.special(i, head)
	if d.shows(i, head) {
		d.write(head)
		d.cut = d.cut || !whole
		d.kept = true
		return
	}
	d.write(placeholder)
}

var placeholder = []byte("?")

// name takes the first argument. A word that cannot be a command's name is kept by nobody: it may be a value.
func (d *draft) name(all commands, head []byte, whole bool) {
	if !whole || !isName(head) {
		d.cut, d.kept = true, false
		return
	}
	if d.command = all.find(head); d.command != nil {
		d.operation = d.command.as(head)
	} else {
		d.operation = string(head)
	}
	d.query = append(d.query, head...)
}

// isName tells whether p looks like the name of a command: of the server ("GET"), of a module ("JSON.SET"), or made up.
func isName(p []byte) bool {
	if len(p) == 0 || len(p) > maxName/2 || !isLetter(p[0]) {
		return false
	}
	for _, b := range p {
		if !isLetter(b) && (b < '0' || b > '9') && b != '_' && b != '-' && b != '.' {
			return false
		}
	}
	return true
}

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

func (d *draft) subcommand(all commands, head []byte) bool {
	var b [maxName]byte
	if len(d.query)+1+len(head) > len(b) {
		return false
	}
	name := append(append(append(b[:0], d.query...), ' '), head...)
	c := all.find(name)
	if c == nil {
		return false
	}
	d.command, d.operation = c, c.as(name)
	d.write(head)
	return true
}

// special picks what is needed of arguments that are neither names nor keys.
func (d *draft) special(i int, head []byte) {
	d.kept = false
	if d.command == nil {
		return
	}
	switch c := d.command; {
	case c.numkeys == i && i > 0:
		d.counted, d.kept = min(atoi(head), d.args), true
	case c.streams && d.streams == 0 && equalFold(head, "STREAMS"):
		d.streams, d.kept = i, true
	case c.upper == "SELECT" && i == 1:
		if n := atoi(head); n >= 0 && n < 1<<24 {
			d.db, d.kept = int32(n), true
		}
	case c.upper == "AUTH" && i == 1 && d.args == 3:
		d.user, d.kept = string(head), true
	case c.upper == "HELLO":
		if d.named && d.user == "" {
			d.user, d.kept = string(head), true
		}
		d.named = i > 1 && d.user == "" && equalFold(head, "AUTH")
		d.kept = d.kept || d.named
	case c.upper == "CLIENT REPLY" && i == 2:
		d.mode = replyMode(head)
		d.kept = d.mode != 0
	case c.upper == "REPLCONF" && i == 1:
		d.ack = equalFold(head, "ACK")
		d.kept = d.ack
	case i == 1 && isCall(c.upper):
		d.procedure, d.kept = string(head), true
	}
}

// isCall tells whether a command names a script or a function by its first argument; EVAL has the text there.
func isCall(name string) bool {
	switch name {
	case "EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO":
		return true
	}
	return false
}

func replyMode(p []byte) byte {
	switch {
	case equalFold(p, "ON"):
		return 'o'
	case equalFold(p, "OFF"):
		return 'f'
	case equalFold(p, "SKIP"):
		return 's'
	}
	return 0
}

// shows tells whether argument i is no value: a key, a channel, the name of a function. Modules name theirs with a dot, and
// a key or an index comes first.
func (d *draft) shows(i int, head []byte) bool {
	c := d.command
	if c == nil {
		return i == 1 && bytes.IndexByte(d.query, '.') > 0
	}
	if i == 1 && d.procedure != "" {
		return true
	}
	key := false
	switch last := c.last; {
	case c.first > 0 && i >= c.first:
		if last < 0 {
			last += d.args
		}
		key = i <= last && (i-c.first)%c.step == 0
	case c.streams && d.streams > 0 && i > d.streams:
		key = i <= d.streams+(d.args-1-d.streams)/2
	}
	key = key || c.numkeys > 0 && i > c.numkeys && i <= c.numkeys+d.counted
	if key && !c.channels {
		d.keys++
	}
	return key
}

func (d *draft) write(p []byte) {
	if d.cut = d.cut || len(d.query)+1+len(p) > MaxQuery; d.cut {
		return
	}
	d.query = append(append(d.query, ' '), p...)
}

// text returns the query.
func (d *draft) text() string {
	if string(d.query) == d.operation {
		return d.operation
	}
	return string(d.query)
}

// atoi returns the number that p is, -1 when it is none or too large.
func atoi(p []byte) int {
	if len(p) == 0 || len(p) > 9 {
		return -1
	}
	n := 0
	for _, b := range p {
		if b < '0' || b > '9' {
			return -1
		}
		n = n*10 + int(b-'0')
	}
	return n
}

// equalFold tells whether p is word, which is in upper case, in any case.
func equalFold(p []byte, word string) bool {
	if len(p) != len(word) {
		return false
	}
	for i, b := range p {
		if b != word[i] && (b^0x20 != word[i] || !isLetter(b)) {
			return false
		}
	}
	return true
}
