// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"strings"

	"sonde/agent/model"
)

// The parts of a traceparent (W3C Trace Context 3.2.2).
const (
	traceAt     = len("00-")
	parentAt    = traceAt + 32 + 1
	flagsAt     = parentAt + 16 + 1
	parentBytes = flagsAt + 2
)

// w3c reads traceparent and tracestate (W3C Trace Context, level 2). A tracestate that is invalid is none.
func w3c(fields []model.Field) (model.SpanContext, bool) {
	value, n := "", 0
	for i := range fields {
		if named(fields[i].Name, "traceparent") {
			value = fields[i].Value
			n++
		}
	}
	if n != 1 { // more than one are invalid even when they agree
		return model.SpanContext{}, false
	}
	c, ok := traceparent(trim(value))
	if ok {
		c.State = tracestate(fields)
	}
	return c, ok
}

func traceparent(s string) (c model.SpanContext, ok bool) {
	if len(s) < parentBytes || s[traceAt-1] != '-' || s[parentAt-1] != '-' || s[flagsAt-1] != '-' {
		return c, false
	}
	var version, flags [1]byte
	if !lower.decode(version[:], s[:2]) || !lower.decode(flags[:], s[flagsAt:parentBytes]) {
		return c, false
	}
	switch {
	case version[0] == 0xff,
		version[0] == 0 && len(s) != parentBytes,
		len(s) > parentBytes && s[parentBytes] != '-': // what later versions add begins with a dash
		return c, false
	}
	if !lower.decode(c.TraceID[:], s[traceAt:parentAt-1]) || !lower.decode(c.SpanID[:], s[parentAt:flagsAt-1]) {
		return c, false
	}
	c.Flags = model.TraceFlags(flags[0]) & (model.FlagSampled | model.FlagRandom)
	return c, c.Valid()
}

// Limits of a tracestate (W3C Trace Context 3.3.1).
const (
	mostMembers = 32
	longestKey  = 256
	longestPart = 256 // of a value
)

// tracestate returns the list of the fields, joined in their order, "" when it is empty or invalid.
func tracestate(fields []model.Field) string {
	var state string
	for i := range fields {
		if !named(fields[i].Name, "tracestate") {
			continue
		}
		switch v := trim(fields[i].Value); {
		case v == "":
		case state == "":
			state = v
		default:
			state += "," + v
		}
	}
	if !validState(state) {
		return ""
	}
	return state
}

func validState(state string) bool {
	var keys [mostMembers]string
	n := 0
	for rest := state; rest != ""; {
		var member string
		member, rest, _ = strings.Cut(rest, ",")
		if member = trim(member); member == "" {
			continue // empty members are allowed
		}
		if n == mostMembers {
			return false
		}
		key, value, ok := strings.Cut(member, "=")
		if !ok || !validKey(key) || !validValue(value) {
			return false
		}
		for _, other := range keys[:n] {
			if other == key {
				return false
			}
		}
		keys[n] = key
		n++
	}
	return n > 0
}

// validKey follows level 2, which allows an @ anywhere but at the beginning.
func validKey(key string) bool {
	if key == "" || len(key) > longestKey {
		return false
	}
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '-' || c == '*' || c == '/' || c == '@'):
		default:
			return false
		}
	}
	return true
}

func validValue(value string) bool {
	if value == "" || len(value) > longestPart {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}
