// SPDX-License-Identifier: Apache-2.0

package dns

import "sonde/agent/protocol"

const (
	headerSize = 12
	maxName    = 255 // bytes on the wire (RFC 1035 2.3.4)
)

// walkName calls label for each label of the name at an offset of the message p and returns the offset behind the name,
// with NeedMore when the name goes on behind p. A pointer must go back behind where the name or the last pointer led, which
// bounds the work.
func walkName(p []byte, at int, label func(l []byte)) (next int, s protocol.State) {
	size, lowest, jumped := 0, at, false
	for {
		if at >= len(p) {
			return 0, protocol.NeedMore
		}
		b := int(p[at])
		switch b >> 6 {
		case 3:
			if at+1 >= len(p) {
				return 0, protocol.NeedMore
			}
			if !jumped {
				next, jumped = at+2, true
			}
			if at = (b&63)<<8 | int(p[at+1]); at >= lowest || at < headerSize {
				return 0, protocol.Invalid
			}
			lowest = at
			continue
		case 1, 2: // never assigned, or withdrawn (RFC 6891 5)
			return 0, protocol.Invalid
		}
		if size += 1 + b; size > maxName {
			return 0, protocol.Invalid
		}
		if at++; b == 0 {
			if !jumped {
				next = at
			}
			return next, protocol.Done
		}
		if at+b > len(p) {
			return 0, protocol.NeedMore
		}
		label(p[at : at+b])
		at += b
	}
}

// skipName returns the offset behind the name at an offset of p. It does not follow pointers.
func skipName(p []byte, at int) (next int, s protocol.State) {
	for from := at; at < len(p); {
		b := int(p[at])
		switch {
		case b == 0:
			return at + 1, protocol.Done
		case b >= 0xc0:
			if at+2 > len(p) {
				return 0, protocol.NeedMore
			}
			return at + 2, protocol.Done
		case b >= 0x40 || at+1+b-from > maxName:
			return 0, protocol.Invalid
		}
		at += 1 + b
	}
	return 0, protocol.NeedMore
}

// appendName adds the name at an offset of p in presentation format (RFC 1035 5.1) without the final dot, "." for the root,
// with the case of its letters kept.
func appendName(dst, p []byte, at int) (out []byte, next int, s protocol.State) {
	from := len(dst)
	next, s = walkName(p, at, func(l []byte) {
		if len(dst) > from {
			dst = append(dst, '.')
		}
		dst = appendLabel(dst, l)
	})
	if s == protocol.Done && len(dst) == from {
		dst = append(dst, '.')
	}
	return dst, next, s
}

func appendLabel(dst, l []byte) []byte {
	for _, b := range l {
		switch {
		case b <= ' ' || b >= 0x7f:
			dst = append(dst, '\\', '0'+b/100, '0'+b/10%10, '0'+b%10)
		case special(b):
			dst = append(dst, '\\', b)
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// special tells which characters have a meaning of their own in a zone file.
func special(b byte) bool {
	switch b {
	case '.', '\\', '"', '(', ')', ';', '@', '$':
		return true
	}
	return false
}

// sameName compares names in presentation format, whose bytes are all ASCII.
func sameName(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// hashName is FNV-1a of a name in lower case. It is the same in every run, as everything here.
func hashName(name []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range name {
		h = (h ^ uint64(lower(b))) * 1099511628211
	}
	return h
}
