// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// timeLayout is RFC 3339 with all nine digits, so that lines sort as text.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// appendKey begins a member: the comma is due unless the object was just opened. key is a constant and needs no escape.
func appendKey(b []byte, key string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

// appendText adds a member whose absence means unknown, so the empty string adds nothing.
func appendText(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(appendKey(b, key), value)
}

func appendUint(b []byte, key string, value uint64) []byte {
	return strconv.AppendUint(appendKey(b, key), value, 10)
}

func appendTime(b []byte, key string, t time.Time) []byte {
	b = append(appendKey(b, key), '"')
	b = t.UTC().AppendFormat(b, timeLayout)
	return append(b, '"')
}

func appendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	b = appendEscaped(b, s)
	return append(b, '"')
}

// appendEscaped adds s as the inside of a JSON string (RFC 8259 section 7). Beyond what JSON asks for it escapes
// everything that does not print: DEL, the C1 controls and marks that turn the direction of writing. Bytes that are no
// UTF-8 become U+FFFD.
func appendEscaped[T string | []byte](b []byte, s T) []byte {
	clean := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[clean:i]...)
		if c < utf8.RuneSelf {
			b = appendEscapedASCII(b, c)
			i++
		} else {
			r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			b = appendEscapedRune(b, r)
			i += size
		}
		clean = i
	}
	return append(b, s[clean:]...)
}

func appendEscapedASCII(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return appendUnicodeEscape(b, rune(c))
}

func appendEscapedRune(b []byte, r rune) []byte {
	switch {
	case r == utf8.RuneError || unicode.IsPrint(r):
		return utf8.AppendRune(b, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return appendUnicodeEscape(appendUnicodeEscape(b, high), low)
	}
	return appendUnicodeEscape(b, r)
}

func appendUnicodeEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
