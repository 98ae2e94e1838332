// SPDX-License-Identifier: Apache-2.0

package text

import (
	"sonde/agent/model"
	"sonde/agent/units"
)

const lossMark = "!! "

// alignable are the fields of compact lines that may be padded, with the width up to which they are. A longer one only moves
// its own line.
var alignable = [...]int{len("server"), 18, len("255.255.255.255:65535"), len("255.255.255.255:65535"), len("postgresql")}

// appendCompact begins a line with what requests and flows have in common.
func (w *Writer) appendCompact(b []byte, r *row) []byte {
	b = append(w.appendTime(b, r.at), ' ')
	b = w.align(units.AppendEscaped(b, r.role), len(b), 0)
	b = append(b, ' ')
	b = w.align(r.appendActor(b), len(b), 1)
	b = append(b, ' ')
	b = w.align(units.AppendAddr(b, r.client), len(b), 2)
	b = append(b, " -> "...)
	b = w.align(units.AppendAddr(b, r.server), len(b), 3)
	b = append(b, ' ')
	b = w.align(units.AppendEscaped(b, r.protocol), len(b), 4)
	return append(b, ' ')
}

// align pads the field that begins at from. Fields are ASCII, so their bytes are columns.
func (w *Writer) align(b []byte, from, field int) []byte {
	if !w.config.Align {
		return b
	}
	n := len(b) - from
	if n <= alignable[field] {
		w.widths[field] = max(w.widths[field], n)
	}
	for ; n < w.widths[field]; n++ {
		b = append(b, ' ')
	}
	return b
}

func (w *Writer) appendCompactRequest(b []byte, r *model.Request) []byte {
	common := requestRow(r)
	b = w.appendCompact(b, &common)
	b = append(appendTarget(b, r), ' ')
	c := requestColour(r)
	b = w.end(appendStatus(w.begin(b, c), r), c)
	b = units.AppendDuration(append(b, ' '), common.duration, 3)
	b = units.AppendSize(append(b, ' '), common.sent)
	b = units.AppendSize(append(b, '/'), common.received)
	if r.Outcome != model.OutcomeOK && (r.Outcome == model.OutcomeIncomplete || !hasStatus(r)) {
		b = w.begin(append(b, ' '), c)
		b = w.end(append(b, r.Outcome.String()...), c)
	}
	return appendNotes(b, r)
}

func (w *Writer) appendCompactFlow(b []byte, f *model.Flow) []byte {
	common := flowRow(f)
	b = w.appendCompact(b, &common)
	c := flowColour(f.State)
	b = w.end(append(w.begin(b, c), f.State.String()...), c)
	b = units.AppendDuration(append(b, ' '), common.duration, 1)
	b = units.AppendSize(append(b, ' '), common.sent)
	b = units.AppendSize(append(b, " out "...), common.received)
	b = append(b, " in"...)
	return appendFlowNotes(b, f)
}

func (w *Writer) appendCompactLoss(b []byte, l *model.Loss) []byte {
	b = append(w.appendTime(b, l.Time), ' ')
	b = append(w.begin(b, alarm), lossMark...)
	return w.end(appendLoss(b, l), alarm)
}
