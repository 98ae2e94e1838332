// SPDX-License-Identifier: Apache-2.0

package text

import (
	"sonde/agent/model"
	"sonde/agent/units"
)

// column is a column of the table. The last one has no width: it takes what is left of the line.
type column uint8

const (
	columnTime column = iota
	columnRole
	columnProcess
	columnClient
	columnServer
	columnProtocol
	columnResult
	columnDuration
	columnSent
	columnReceived
	columnDetail
)

var columns = [...]struct {
	title   string
	width   int
	right   bool // aligned to the right, for numbers
	keepEnd bool // cut at the front: the port of an address says more than its prefix
}{
	columnTime:     {title: "TIME", width: 12},
	columnRole:     {title: "ROLE", width: 6},
	columnProcess:  {title: "PROCESS", width: 16},
	columnClient:   {title: "CLIENT", width: 21, keepEnd: true},
	columnServer:   {title: "SERVER", width: 21, keepEnd: true},
	columnProtocol: {title: "PROTO", width: 10},
	columnResult:   {title: "RESULT", width: 10},
	columnDuration: {title: "DURATION", width: 9, right: true},
	columnSent:     {title: "SENT", width: 8, right: true},
	columnReceived: {title: "RECEIVED", width: 8, right: true},
	columnDetail:   {title: "DETAIL"},
}

// leastDetail is the width that the last column keeps: others are left out of a narrow terminal, first those that say
// the least.
const leastDetail = 24

var dropOrder = [...]column{
	columnReceived, columnSent, columnClient, columnProtocol, columnRole, columnServer, columnDuration, columnProcess,
	columnTime, columnResult,
}

// layout is the table as one terminal shows it.
type layout struct {
	columns []column
	detail  int // width of the last column, 0 is no limit
}

// layoutFor chooses the columns for a terminal, in the order of the table. Width 0 is no limit.
func layoutFor(width int) layout {
	shown := [len(columns)]bool{columnDetail: true}
	used := 0
	for c := range columnDetail {
		shown[c] = true
		used += columns[c].width + 1
	}
	for _, c := range dropOrder {
		if width == 0 || used+leastDetail <= width {
			break
		}
		shown[c] = false
		used -= columns[c].width + 1
	}
	l := layout{detail: max(0, width-used)}
	for c := range columns {
		if shown[c] {
			l.columns = append(l.columns, column(c))
		}
	}
	return l
}

// fit pads or cuts the cell that begins at from to the width of column c. A cell is ASCII, so its bytes are columns.
func (l *layout) fit(b []byte, from int, c column) []byte {
	if c == columnDetail {
		if l.detail == 0 || len(b)-from <= l.detail {
			return b
		}
		return cutEnd(b, from, l.detail)
	}
	missing := columns[c].width - (len(b) - from)
	switch {
	case missing < 0 && columns[c].keepEnd:
		return cutFront(b, from, columns[c].width)
	case missing < 0:
		return cutEnd(b, from, columns[c].width)
	}
	for range missing {
		b = append(b, ' ')
	}
	if columns[c].right {
		copy(b[from+missing:], b[from:len(b)-missing])
		for i := range missing {
			b[from+i] = ' '
		}
	}
	return b
}

const ellipsis = "…" // one column, three bytes

func cutEnd(b []byte, from, width int) []byte {
	return append(b[:from+width-1], ellipsis...)
}

func cutFront(b []byte, from, width int) []byte {
	tail := len(b) - (width - 1)
	b = append(b, ellipsis...) // room to move into when little was cut
	copy(b[from+len(ellipsis):], b[tail:tail+width-1])
	copy(b[from:], ellipsis)
	return b[:from+len(ellipsis)+width-1]
}

func (w *Writer) appendHeader(b []byte) []byte {
	b = w.begin(b, dim)
	for i, c := range w.layout.columns {
		if i > 0 {
			b = append(b, ' ')
		}
		from := len(b)
		b = w.layout.fit(append(b, columns[c].title...), from, c)
	}
	return append(w.end(b, dim), '\n')
}

// appendTable adds the line of a row. tint is the colour of its result.
func (w *Writer) appendTable(b []byte, r *row, tint colour) []byte {
	for i, c := range w.layout.columns {
		if i > 0 {
			b = append(b, ' ')
		}
		if c == columnResult {
			b = w.begin(b, tint)
		}
		from := len(b)
		b = w.layout.fit(w.appendCell(b, r, c), from, c)
		if c == columnResult {
			b = w.end(b, tint)
		}
	}
	return b
}

// appendTableLoss adds a line that is out of the columns on purpose.
func (w *Writer) appendTableLoss(b []byte, l *model.Loss) []byte {
	b = w.appendTime(b, l.Time)
	b = append(b[:len(b)-3], ' ')
	b = w.begin(b, alarm)
	from := len(b)
	b = appendLoss(append(b, lossMark...), l)
	if room := w.config.Width - columns[columnTime].width - 1; room > 0 && len(b)-from > room {
		b = cutEnd(b, from, room)
	}
	return w.end(b, alarm)
}

func (w *Writer) appendCell(b []byte, r *row, c column) []byte {
	switch c {
	case columnTime:
		b = w.appendTime(b, r.at)
		return b[:len(b)-3] // milliseconds: the width is dear
	case columnRole:
		return units.AppendEscaped(b, r.role)
	case columnProcess:
		return r.appendActor(b)
	case columnClient:
		return units.AppendAddr(b, r.client)
	case columnServer:
		return units.AppendAddr(b, r.server)
	case columnProtocol:
		return units.AppendEscaped(b, r.protocol)
	case columnResult:
		return r.appendResult(b)
	case columnDuration:
		return units.AppendDuration(b, r.duration, 3)
	case columnSent:
		return units.AppendSize(b, r.sent)
	case columnReceived:
		return units.AppendSize(b, r.received)
	}
	return r.appendDetail(b)
}

func (r *row) appendResult(b []byte) []byte {
	switch {
	case r.flow != nil:
		return append(b, r.flow.State.String()...)
	case r.request.Outcome == model.OutcomeIncomplete:
		return append(b, "incomplete"...)
	case !hasStatus(r.request):
		return append(b, r.request.Outcome.String()...)
	}
	return appendStatus(b, r.request)
}

func (r *row) appendDetail(b []byte) []byte {
	if r.flow == nil {
		return appendNotes(appendTarget(b, r.request), r.request)
	}
	from := len(b)
	b = appendFlowNotes(b, r.flow)
	if len(b) == from {
		return append(b, '-')
	}
	return append(b[:from], b[from+1:]...) // without the space in front of the first note
}
