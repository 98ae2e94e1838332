// SPDX-License-Identifier: Apache-2.0

package text

import (
	"sonde/agent/model"
	"sonde/agent/units"
)

const lossMark = "!! "

// appendCompact begins a line with what requests and flows have in common.
func (w *Writer) appendCompact(b []byte, r *row) []byte {
	b = w.appendTime(b, r.at)
	b = units.AppendEscaped(append(b, ' '), r.role)
	b = r.appendActor(append(b, ' '))
	b = units.AppendAddr(append(b, ' '), r.client)
	b = units.AppendAddr(append(b, " -> "...), r.server)
	b = units.AppendEscaped(append(b, ' '), r.protocol)
	return append(b, ' ')
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
