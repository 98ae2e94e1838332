// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"bytes"
	"slices"

	"sonde/agent/model"
)

// Mask returns a copy of query of the same length, in which literals and comments are overwritten, for a recording: Read says
// the same of it as of query. What Read shows as it was sent stays. Where a quote may have been misread, nothing behind it
// is left; where no such copy is found, nothing at all.
func (s *Sanitiser) Mask(query []byte, src Source) []byte {
	want := s.Read(query, src)
	asSent := src.Prepared && want.Parameters && !src.Cut && !s.misread
	masked := bytes.Clone(query)
	s.begins(query, src)
	plain, doubt := -1, -1
	for s.i < len(s.q) && !s.stop {
		from, out := s.i, len(s.out)
		s.token()
		if s.plain >= 0 && plain < 0 {
			plain = from
		}
		if s.doubted && doubt < 0 {
			doubt = from
		}
		if len(s.out) < out || !bytes.Equal(s.out[out:], query[from:s.i]) {
			maskToken(masked[from:s.i])
		}
	}
	if s.misread {
		if doubt < 0 {
			doubt = max(plain, 0)
		}
		maskText(masked[doubt:])
	}
	if asSent {
		from, to := s.aside()
		copy(masked[:from], query[:min(from, model.MaxText)])
		if more := model.MaxText - from; more > 0 {
			copy(masked[to:], query[to:min(len(query), to+more)])
		}
	}
	if got := s.Read(masked, src); !same(&got, &want) {
		fill(masked)
	}
	return masked
}

func same(a, b *Statement) bool {
	return a.Text == b.Text && a.Summary == b.Summary && a.Cut == b.Cut && a.Parameters == b.Parameters &&
		a.Statements == b.Statements && a.Procedure == b.Procedure && a.Use == b.Use &&
		slices.Equal(Context(a.Comment), Context(b.Comment))
}

func fill(p []byte) {
	for i := range p {
		p[i] = 'x'
	}
}

// maskText overwrites text in such a way that strings end where they did.
func maskText(p []byte) {
	for i, c := range p {
		switch {
		case isDigit(c):
			p[i] = '0'
		case c == '\'', c == '"', c == '`', c == '\\':
		default:
			p[i] = 'x'
		}
	}
}

// maskToken overwrites what was not copied: a literal, a comment, the name of an account.
func maskToken(p []byte) {
	switch {
	case bytes.HasPrefix(p, []byte("/*!")), bytes.HasPrefix(p, []byte("/*M!")), string(p) == "*/", keyword(p) == kwTrue:
	case bytes.HasPrefix(p, []byte("/*")):
		end := len(p)
		if end >= 4 && bytes.HasSuffix(p, []byte("*/")) {
			end -= 2
		}
		maskComment(p[2:end])
	case bytes.HasPrefix(p, []byte("--")):
		maskComment(p[2:])
	case p[0] == '#':
		maskComment(p[1:])
	case p[0] == '$':
		maskDollar(p)
	case isDigit(p[0]), p[0] == '+', p[0] == '-', p[0] == '.':
		maskNumber(p)
	default:
		if i := bytes.IndexAny(p, "'\"`"); i >= 0 {
			maskText(p[i+1:])
		} else {
			fill(p)
		}
	}
}

// maskDollar overwrites what is between the tags of a string.
func maskDollar(p []byte) {
	n := bytes.IndexByte(p[1:], '$') + 2
	if n < 2 {
		fill(p[1:])
		return
	}
	tag, content := p[:n], p[n:]
	if bytes.HasSuffix(content, tag) {
		content = content[:len(content)-n]
	}
	fill(content)
}

// maskNumber leaves the sign, the point, and the e before the sign of an exponent.
func maskNumber(p []byte) {
	for i, c := range p {
		sign := c == '+' || c == '-'
		exponent := c|0x20 == 'e' && i+1 < len(p) && (p[i+1] == '+' || p[i+1] == '-')
		if !sign && c != '.' && !exponent {
			p[i] = '0'
		}
	}
}
