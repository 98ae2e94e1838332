// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"bytes"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// fields goes over the header fields of a message that may carry trace context (ADR-4 of NATS: "NATS/1.0", then lines as those
// of HTTP). head is the message as far as it was captured: where fields are missing, none are told. The line that is told
// begins with the line end before it, and lets a recording be read the same without the lines between.
func (l *line) fields(head []byte, each func(name, value, line []byte)) {
	if l.header == 0 || l.size+int(l.header) > len(head) {
		return
	}
	rest := head[l.size : l.size+int(l.header)]
	count := 0
	for at := bytes.Index(rest, lineEnd); at >= 0 && count < model.MaxFields; at = bytes.Index(rest, lineEnd) {
		rest = rest[at:]
		n := bytes.Index(rest[len(lineEnd):], lineEnd)
		if n < 0 {
			return
		}
		whole := rest[:len(lineEnd)+n+len(lineEnd)]
		name, value, ok := bytes.Cut(rest[len(lineEnd):len(lineEnd)+n], []byte(":"))
		if value = bytes.Trim(value, " \t"); ok && protocol.CarriesContext(name) && len(value) <= model.MaxField {
			each(name, value, whole)
			count++
		}
		rest = rest[len(lineEnd)+n:]
	}
}

// headers returns the header fields of a message that may carry trace context, nil when there are none.
func (l *line) headers(head []byte) [][]model.Field {
	var found []model.Field
	l.fields(head, func(name, value, _ []byte) {
		found = append(found, model.Field{Name: string(name), Value: string(value)})
	})
	if found == nil {
		return nil
	}
	return [][]model.Field{found}
}
