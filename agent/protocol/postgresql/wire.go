// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"bytes"
	"encoding/binary"

	"sonde/agent/protocol"
)

const header = 5 // bytes of a type and a length

// Bounds of the length field, by type of message; both 0 for a type that does not exist. A message of fixed length has
// the same in both.
type bounds struct{ least, most uint32 }

func frontBounds(kind byte) bounds {
	switch kind {
	case 'S', 'H', 'X', 'c': // Sync, Flush, Terminate, CopyDone
		return bounds{4, 4}
	case 'Q', 'f', 'p': // Query, CopyFail, authentication
		return bounds{5, maxLength}
	case 'P': // Parse
		return bounds{8, maxLength}
	case 'B': // Bind
		return bounds{12, maxLength}
	case 'D', 'C': // Describe, Close
		return bounds{6, 4 + 1 + 1024}
	case 'E': // Execute
		return bounds{9, 8 + 1024}
	case 'd': // CopyData
		return bounds{4, maxLength}
	case 'F': // FunctionCall
		return bounds{14, maxLength}
	}
	return bounds{}
}

func backBounds(kind byte) bounds {
	switch kind {
	case '1', '2', '3', 'n', 's', 'I', 'c': // completions without content
		return bounds{4, 4}
	case 'Z': // ReadyForQuery
		return bounds{5, 5}
	case 'K': // BackendKeyData
		return bounds{12, 4 + 4 + 256}
	case 'R': // Authentication
		return bounds{8, 1 << 16}
	case 'C': // CommandComplete
		return bounds{5, 1024}
	case 'D', 'T', 't': // DataRow, RowDescription, ParameterDescription
		return bounds{6, maxLength}
	case 'E', 'N': // errors and notices
		return bounds{5, maxLength}
	case 'S': // ParameterStatus
		return bounds{6, 1 << 20}
	case 'A': // NotificationResponse
		return bounds{10, 1 << 20}
	case 'G', 'H', 'W': // beginnings of COPY
		return bounds{7, 1 << 20}
	case 'd': // CopyData
		return bounds{4, maxLength}
	case 'V': // FunctionCallResponse
		return bounds{8, maxLength}
	case 'v': // NegotiateProtocolVersion
		return bounds{12, 1 << 16}
	}
	return bounds{}
}

func messageSize(p []byte, b bounds) (uint64, protocol.State) {
	if b.most == 0 {
		return 0, protocol.Invalid
	}
	if len(p) < header {
		if len(p) > 1 && uint32(p[1]) > b.most>>24 {
			return 0, protocol.Invalid
		}
		return 0, protocol.NeedMore
	}
	length := binary.BigEndian.Uint32(p[1:])
	if length < b.least || length > b.most {
		return 0, protocol.Invalid
	}
	return uint64(length) + 1, protocol.Done
}

func frontSize(p []byte) (uint64, protocol.State) { return messageSize(p, frontBounds(p[0])) }
func backSize(p []byte) (uint64, protocol.State)  { return messageSize(p, backBounds(p[0])) }

// text splits p behind its first zero.
func text(p []byte) (s, rest []byte, ok bool) {
	i := bytes.IndexByte(p, 0)
	if i < 0 {
		return p, nil, false
	}
	return p[:i], p[i+1:], true
}

// isText tells whether p may be SQL or a name: no control bytes but white space.
func isText(p []byte) bool {
	for _, c := range p {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func state(ok bool) protocol.State {
	if ok {
		return protocol.Done
	}
	return protocol.Invalid
}

// frontMessage looks into a client's message for what a detection can go by.
func frontMessage(m []byte, whole bool) protocol.State {
	body := m[header:]
	switch m[0] {
	case 'Q':
		s, rest, ok := text(body)
		switch {
		case !isText(s) || ok && (len(rest) > 0 || !whole) || !ok && whole:
			return protocol.Invalid
		case whole || len(s) >= 8:
			return protocol.Done
		}
	case 'P':
		name, rest, ok := text(body)
		s, _, ended := text(rest)
		switch {
		case !isText(name) || !isText(s) || whole && !ended:
			return protocol.Invalid
		case ended || ok && len(s) >= 8:
			return protocol.Done
		}
	case 'B':
		portal, rest, ok := text(body)
		name, _, ended := text(rest)
		if !isText(portal) || !isText(name) || whole && !ended || len(portal) > 1024 {
			return protocol.Invalid
		}
		if whole && ok {
			return state(isBind(body))
		}
		if _, rest, ok = text(rest); ok && len(rest) >= 16 {
			n, behind, have := formatCodes(rest)
			return state(!have || n < 2 || len(behind) < 2 || n == int(binary.BigEndian.Uint16(behind)))
		}
	case 'D', 'C':
		if len(body) > 0 && body[0] != 'S' && body[0] != 'P' || whole && bytes.IndexByte(body, 0) != len(body)-1 {
			return protocol.Invalid
		}
	case 'E':
		if whole && bytes.IndexByte(body, 0) != len(body)-5 {
			return protocol.Invalid
		}
	}
	return protocol.NeedMore
}

// isBind tells whether the counts in a Bind fit its length: format codes, values, format codes.
func isBind(body []byte) bool {
	_, rest, _ := text(body)
	_, rest, ok := text(rest)
	formats, rest, have := formatCodes(rest)
	if !ok || !have || len(rest) < 2 {
		return false
	}
	values := int(binary.BigEndian.Uint16(rest))
	if formats > 1 && formats != values {
		return false
	}
	for rest = rest[2:]; values > 0; values-- {
		if len(rest) < 4 {
			return false
		}
		n := max(0, int(int32(binary.BigEndian.Uint32(rest))))
		if n > len(rest)-4 {
			return false
		}
		rest = rest[4+n:]
	}
	_, rest, have = formatCodes(rest)
	return have && len(rest) == 0
}

// formatCodes reads a counted list of format codes, which are 0 or 1.
func formatCodes(p []byte) (n int, rest []byte, ok bool) {
	if len(p) < 2 {
		return 0, nil, false
	}
	n = int(binary.BigEndian.Uint16(p))
	p = p[2:]
	if len(p) < 2*n {
		return n, nil, false
	}
	for i := range n {
		if p[2*i] != 0 || p[2*i+1] > 1 {
			return n, nil, false
		}
	}
	return n, p[2*n:], true
}

// backMessage does the same for a server's message.
func backMessage(m []byte, whole bool) protocol.State {
	body := m[header:]
	switch m[0] {
	case 'Z':
		if whole {
			return state(body[0] == 'I' || body[0] == 'T' || body[0] == 'E')
		}
	case 'R':
		if len(body) >= 4 {
			return state(binary.BigEndian.Uint32(body) <= 12)
		}
	case 'C':
		s, rest, ok := text(body)
		if !isText(s) || whole && (!ok || len(rest) > 0 || len(s) < 2 || s[0] < 'A' || s[0] > 'Z') {
			return protocol.Invalid
		}
		if whole {
			return protocol.Done
		}
	case 'E', 'N':
		return errorMessage(body, whole)
	case 'T':
		return rowDescription(body, whole)
	case 'D':
		if whole && !isDataRow(body) {
			return protocol.Invalid
		}
	case 'S':
		s, _, ok := text(body)
		if !isText(s) || whole && (!ok || len(s) == 0 || body[len(body)-1] != 0) {
			return protocol.Invalid
		}
	}
	return protocol.NeedMore
}

// errorMessage wants the fields that every server sends first: S, perhaps V, C.
func errorMessage(body []byte, whole bool) protocol.State {
	seen := 0
	for len(body) > 0 && body[0] != 0 {
		if body[0] < 'A' || body[0] > 'z' || seen == 0 && body[0] != 'S' {
			return protocol.Invalid
		}
		value, rest, ok := text(body[1:])
		if !ok {
			return state(!whole && isText(value))
		}
		if body[0] == 'C' {
			return state(len(value) == 5)
		}
		seen++
		body = rest
	}
	return protocol.NeedMore
}

func rowDescription(body []byte, whole bool) protocol.State {
	if len(body) < 2 {
		return protocol.NeedMore
	}
	columns := int(binary.BigEndian.Uint16(body))
	if columns > 1664 { // MaxTupleAttributeNumber
		return protocol.Invalid
	}
	body = body[2:]
	for ; columns > 0; columns-- {
		name, rest, ok := text(body)
		if !isText(name) || !ok && whole {
			return protocol.Invalid
		}
		if !ok || len(rest) < 18 {
			return state(!whole)
		}
		body = rest[18:]
	}
	return state(!whole || len(body) == 0)
}

func isDataRow(body []byte) bool {
	columns := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	for ; columns > 0; columns-- {
		if len(body) < 4 {
			return false
		}
		n := max(0, int(int32(binary.BigEndian.Uint32(body))))
		if n > len(body)-4 {
			return false
		}
		body = body[4+n:]
	}
	return len(body) == 0
}
