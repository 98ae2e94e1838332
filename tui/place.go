// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"slices"

	"sonde/agent/view"
	"sonde/tui/page"
)

// place is a page that the user is on, or came through: what it was entered for, and where in it the cursor is.
type place struct {
	page    *page.Page
	within  view.Scope
	sort    string // "" for the first key
	reverse bool

	snap  *view.Snapshot // last answer, nil before the first
	asked view.Query     // that snap answers

	cursor int    // row of snap
	id     string // of that row
	top    int    // first row, or line of Body, that was shown
	reach  int    // how far down the user went
	lines  int    // that rows were shown in
	moved  bool   // the user chose the row; else the cursor stays at the first one
	toEnd  bool   // as soon as the last rows are here
	held   bool   // rows are those of an earlier answer than the rest
}

// rows is how many rows are here, which may be less than there are.
func (p *place) rows() int {
	if p.snap == nil || p.page.Rows == nil {
		return 0
	}
	return max(p.page.Rows(p.snap), 0)
}

// total is how many rows there are.
func (p *place) total() int {
	if p.snap == nil {
		return 0
	}
	return max(p.snap.Rows, p.rows())
}

// selected is the row under the cursor, -1 for none.
func (p *place) selected() int {
	if n := p.rows(); n > 0 {
		return min(max(p.cursor, 0), n-1)
	}
	return -1
}

// limits are how many rows are asked for: few while the user looks at the first ones.
var limits = []int{view.DefaultLimit, 1000, 5000, view.MaxLimit}

// limit is enough for the row that the user went to and two screens behind it. Where the newest rows come first, the row moves
// on by itself: it is held then rather than followed through thousands of others.
func (p *place) limit() int {
	if p.toEnd {
		return view.MaxLimit
	}
	at := p.cursor
	if p.newestFirst() {
		at = min(at, p.reach)
	}
	need := at + 2*max(p.lines, 20)
	for _, l := range limits {
		if need <= l {
			return l
		}
	}
	return view.MaxLimit
}

// newestFirst says that rows come in at the top and move down.
func (p *place) newestFirst() bool {
	keys := view.SortKeys(p.page.View)
	return p.page.View == view.PageRequests && !p.reverse && (p.sort == "" || p.sort == keys[0])
}

// accept takes an answer and keeps the cursor on its row, wherever that is now.
func (p *place) accept(s *view.Snapshot, asked view.Query) {
	if p.page.Arrange != nil {
		p.page.Arrange(s)
	}
	before, sameQuestion := p.snap, sameRows(p.asked, asked)
	if !sameQuestion {
		p.snap, p.asked, p.held = s, asked, false
		p.refind()
		return
	}
	at := p.find(s)
	switch {
	case !p.moved || before == nil:
		p.snap, p.held = s, false
	case p.newestFirst() && p.cursor > 0 && !p.fills(s, at):
		p.snap, p.held = withRows(s, before), true
	case at >= 0:
		if p.newestFirst() { // the row stays on its line
			p.top += at - p.cursor
		}
		p.snap, p.cursor, p.held = s, at, false
	default: // the row is gone: the one that took its place is as good as any
		p.snap, p.held = s, false
	}
	p.asked = asked
	p.settle()
}

// fills says whether s has the selected row, which is at a row of it, and as many rows below that as were seen before.
func (p *place) fills(s *view.Snapshot, at int) bool {
	n := p.page.Rows(s)
	return at >= 0 && (n >= s.Rows || at-p.cursor+p.top+p.lines <= n)
}

// refind moves the cursor to its row after another question, or to the top when it is not among the answers.
func (p *place) refind() {
	if at := p.find(p.snap); p.moved && at >= 0 {
		p.cursor = at
	} else {
		p.cursor, p.top, p.reach, p.moved = 0, 0, 0, false
	}
	p.settle()
}

// find returns the row of s that the cursor was on, -1 when it is not there.
func (p *place) find(s *view.Snapshot) int {
	if p.page.ID == nil || p.page.Rows == nil || p.id == "" {
		return -1
	}
	n := p.page.Rows(s)
	if p.cursor >= 0 && p.cursor < n && p.page.ID(s, p.cursor) == p.id { // as nearly always
		return p.cursor
	}
	for row := range n {
		if p.page.ID(s, row) == p.id {
			return row
		}
	}
	return -1
}

// settle puts the cursor within the rows and remembers what is under it.
func (p *place) settle() {
	if p.toEnd && p.snap != nil && (p.rows() >= p.total() || p.asked.Limit >= view.MaxLimit) {
		p.toEnd, p.cursor, p.reach = false, p.rows()-1, p.rows()-1
	}
	if !p.moved {
		p.cursor = 0
	}
	p.cursor = max(min(p.cursor, p.rows()-1), 0)
	p.id = ""
	if p.page.ID != nil && p.rows() > 0 {
		p.id = p.page.ID(p.snap, p.cursor)
	}
}

// move puts the cursor on a row.
func (p *place) move(row int) {
	p.toEnd = false
	p.cursor, p.moved = row, row > 0 || !p.newestFirst()
	p.settle()
	p.reach = p.cursor
}

// sameRows says whether two questions differ at most in how many rows they want.
func sameRows(a, b view.Query) bool {
	a.Limit, b.Limit = 0, 0
	return a == b
}

// withRows is s with the rows of an older answer.
func withRows(s, older *view.Snapshot) *view.Snapshot {
	merged := *s
	merged.Requests, merged.Rows = older.Requests, older.Rows
	return &merged
}

// nextSort is the sort key behind the present one among those that the page has columns for.
func (p *place) nextSort() string {
	keys := slices.DeleteFunc(slices.Clone(view.SortKeys(p.page.View)), func(k string) bool {
		return k == "" || !slices.ContainsFunc(p.page.Columns, func(c page.Column) bool { return c.Sort == k })
	})
	if len(keys) == 0 {
		return ""
	}
	return keys[(slices.Index(keys, p.sortKey())+1)%len(keys)]
}

// sortKey is the key that rows are sorted by, "" where there is none.
func (p *place) sortKey() string {
	if keys := view.SortKeys(p.page.View); p.sort == "" && len(keys) > 0 {
		return keys[0]
	}
	return p.sort
}
