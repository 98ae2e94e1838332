// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"bytes"
	"net/url"
	"strings"

	"sonde/agent/model"
)

// traceparent is what a comment must have for trace context. It is looked for before anything is parsed.
const traceparent = "traceparent='"

// Context returns the trace context of Statement.Comment: the pairs traceparent and tracestate and no others, decoded. nil,
// without an allocation, when there is none. What it returns does not point into the query.
func Context(comment []byte) []model.Field {
	if !bytes.Contains(comment, []byte(traceparent)) {
		return nil
	}
	var fields []model.Field
	for rest := comment; len(fields) < model.MaxFields; {
		var p pair
		if p, rest = nextPair(rest); p.value == nil {
			break
		}
		if !p.context() {
			continue
		}
		if value, err := url.PathUnescape(strings.ReplaceAll(string(p.value), `\'`, `'`)); err == nil {
			fields = append(fields, model.Field{Name: string(p.key), Value: value})
		}
	}
	return fields
}

// pair is one of SQL commenter's, as it stands in the comment: key='value', where a quote in the value is escaped by a
// backslash and most else by a percent sign.
type pair struct{ key, value []byte }

// context tells whether the pair is part of a trace context, and short enough to be kept.
func (p *pair) context() bool {
	return (string(p.key) == "traceparent" || string(p.key) == "tracestate") && len(p.value) <= model.MaxField
}

// nextPair returns the next pair of a comment and what follows it. The value is nil when there is none.
func nextPair(comment []byte) (p pair, rest []byte) {
	at := bytes.Index(comment, []byte("='"))
	if at < 0 {
		return pair{}, nil
	}
	key := comment[:at]
	if i := bytes.LastIndexAny(key, ", \t\r\n"); i >= 0 {
		key = key[i+1:]
	}
	value := comment[at+len("='"):]
	for i := range value {
		if value[i] == '\'' && (i == 0 || value[i-1] != '\\') {
			return pair{key, value[:i:i]}, value[i+1:]
		}
	}
	return pair{}, nil // it has no end
}

// maskComment leaves what makes a comment one of SQL commenter, and in it the context of a trace.
func maskComment(p []byte) {
	rest := p
	for len(rest) > 0 {
		pair, behind := nextPair(rest)
		if pair.value == nil {
			maskPairs(rest)
			return
		}
		n := len(rest) - len(behind)
		if pair.context() {
			n -= len("='") + len(pair.key) + len(pair.value) + len("'")
		}
		maskPairs(rest[:n])
		rest = behind
	}
}

// maskPairs leaves what separates pairs and their parts.
func maskPairs(p []byte) {
	for i, c := range p {
		if c > ' ' && c != '=' && c != '\'' && c != ',' && c != '\\' {
			p[i] = 'x'
		}
	}
}
