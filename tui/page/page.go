// SPDX-License-Identifier: Apache-2.0

// Package page says what each page of the viewer shows: its columns, what a cell says, what is below the table, and where Enter
// leads. It is data and pure functions of a snapshot; tui moves between pages and draws tables.
package page

import (
	"sonde/agent/view"
	"sonde/tui/render"
)

// Column is a column of a page's table.
type Column struct {
	Title string
	Sort  string // key of view.SortKeys, "" when the page cannot be sorted by it
	Min   int    // width in cells that it needs
	Max   int    // that it takes where there is room; 0: as Min. Columns with Max above Min share what is left.
	Right bool   // aligned to the right: numbers
	// Drop says in which order columns are left out of a narrow terminal: highest first, 0 never.
	Drop int
	// Cell draws the cell of row into c, which is one line high and as wide as the column. It must stay within it.
	Cell func(c *render.Canvas, s *view.Snapshot, row int)
}

// Page is what one page shows. The functions are pure and are called with a Snapshot of View alone.
type Page struct {
	View  view.Page
	Title string // "Services"
	Key   rune   // that opens it from anywhere, 0 for pages that are entered

	Columns []Column
	Rows    func(s *view.Snapshot) int                   // that s holds
	ID      func(s *view.Snapshot, row int) string       // the same row in the next snapshot, wherever it is then
	Mark    func(s *view.Snapshot, row int) render.Style // Text, Warn or Bad: what the whole row deserves

	// Panel draws what is known of the selected row beside the table (row is -1 without one): its latency histogram, its facts.
	// PanelHeight is how many lines it wants; 0 when the page has none. Body, where set, draws the whole page in place of a table.
	Panel       func(c *render.Canvas, s *view.Snapshot, row int)
	PanelHeight int
	Body        func(c *render.Canvas, s *view.Snapshot, top int) (lines int) // top: first line to show; returns how many there are in all

	// Enter is the page behind a row; ok is false where there is none. within is the scope that this page has.
	Enter func(s *view.Snapshot, row int, within view.Scope) (to view.Page, scope view.Scope, ok bool)
	// Crumb names what the page was entered for: "checkout > GET /orders/{id}". "" at the top.
	Crumb func(within view.Scope) string
	// Empty says what may be the reason that there are no rows, and what to do: lines of up to 96 cells with \n between them.
	Empty func(s *view.Snapshot) string

	// Arrange, where set, puts the rows of a new snapshot into the order that they are shown in. It is called once, before the
	// other functions get the snapshot, by whoever owns it then.
	Arrange func(s *view.Snapshot)
}

// All lists the pages, those with a key first and in the order of the menu.
func All() []*Page { return pages }

// Of returns the page of a view, nil when there is none.
func Of(v view.Page) *Page {
	for _, p := range pages {
		if p.View == v {
			return p
		}
	}
	return nil
}

var pages = []*Page{
	servicesPage, requestsPage, flowsPage, mapPage, processesPage, dnsPage,
	agentPage, routesPage, connsPage, tracePage, requestPage,
}
