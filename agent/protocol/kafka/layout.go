// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"fmt"
	"strconv"
	"strings"
)

// kind is the type of a field on the wire.
type kind uint8

const (
	kindBool kind = iota
	kindInt8
	kindInt16
	kindInt32
	kindInt64
	kindUUID
	kindString
	kindBytes
	kindRecords
	kindValues  // array of plain values
	kindStructs // array of structures
	kindRest    // not described from here on
)

// mark says what a field means to us.
type mark uint8

const (
	markNone mark = iota
	markTopics
	markTopic
	markTopicID
	markPartitions
	markPartition
	markGroup
	markError
	markOffset
	markAcks
	markKey
	markKeyType
	markMechanism
)

var kinds = map[string]kind{
	"bool": kindBool, "i8": kindInt8, "i16": kindInt16, "i32": kindInt32, "i64": kindInt64, "uuid": kindUUID,
	"str": kindString, "bytes": kindBytes, "records": kindRecords, "*": kindRest,
}

var marks = map[string]mark{
	"topics": markTopics, "topic": markTopic, "topicid": markTopicID, "parts": markPartitions, "part": markPartition,
	"group": markGroup, "error": markError, "offset": markOffset, "acks": markAcks, "key": markKey, "keytype": markKeyType,
	"mech": markMechanism,
}

// field is one field of a message.
type field struct {
	kind     kind
	mark     mark
	from, to int16 // versions that have it
	elements []field
}

// compile reads the words of a layout. The tables are constants, so one that cannot be read is a mistake in the program and
// ends it at its start.
func compile(s string) []field {
	c := compiler{rest: s}
	fields := c.fields()
	if c.rest != "" {
		panic(fmt.Sprintf("kafka: layout %q goes on with %q", s, c.rest))
	}
	return fields
}

type compiler struct{ rest string }

// fields reads up to the end or up to a closing bracket.
func (c *compiler) fields() []field {
	var all []field
	for {
		c.rest = strings.TrimLeft(c.rest, " ")
		if c.rest == "" || c.rest[0] == ')' || c.rest[0] == ']' {
			return all
		}
		all = append(all, c.field())
	}
}

func (c *compiler) field() field {
	f := field{to: 1<<15 - 1}
	if i := strings.IndexAny(c.rest, ":()[] @"); i > 0 && c.rest[i] == ':' {
		m, known := marks[c.rest[:i]]
		if !known {
			panic("kafka: no mark " + c.rest[:i])
		}
		f.mark, c.rest = m, c.rest[i+1:]
	}
	switch c.rest[0] {
	case '(':
		f.kind, f.elements = kindStructs, c.bracket(")")
	case '[':
		f.kind, f.elements = kindValues, c.bracket("]")
	default:
		word := c.word(" )]@")
		k, known := kinds[word]
		if !known {
			panic("kafka: no type " + word)
		}
		f.kind = k
	}
	if strings.HasPrefix(c.rest, "@") {
		c.rest = c.rest[1:]
		f.from, f.to = versions(c.word(" )]"))
	}
	return f
}

// bracket reads the elements of an array and the bracket that closes it.
func (c *compiler) bracket(closing string) []field {
	c.rest = c.rest[1:]
	elements := c.fields()
	if !strings.HasPrefix(c.rest, closing) {
		panic("kafka: bracket is not closed before " + c.rest)
	}
	c.rest = c.rest[1:]
	return elements
}

// word reads up to one of the bytes in ends.
func (c *compiler) word(ends string) string {
	i := strings.IndexAny(c.rest, ends)
	if i < 0 {
		i = len(c.rest)
	}
	word := c.rest[:i]
	c.rest = c.rest[i:]
	return word
}

func versions(s string) (from, to int16) {
	first, last, closed := strings.Cut(s, "-")
	n, err := strconv.ParseInt(first, 10, 16)
	if err != nil {
		panic("kafka: no version " + s)
	}
	if !closed {
		return int16(n), 1<<15 - 1
	}
	m, err := strconv.ParseInt(last, 10, 16)
	if err != nil {
		panic("kafka: no version " + s)
	}
	return int16(n), int16(m)
}
