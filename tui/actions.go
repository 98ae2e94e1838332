// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"slices"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"sonde/agent/view"
	"sonde/tui/render"
)

// scroll moves the cursor, or the text of a page without rows.
func (m *model) scroll(lines int) {
	p := m.place()
	if p.page.Body != nil {
		p.top = max(min(p.top+lines, m.layout.BodyLines-m.layout.PageRows), 0)
		return
	}
	if p.rows() > 0 {
		p.move(max(p.selected()+lines, 0))
	}
}

func (m *model) first() {
	p := m.place()
	p.top = 0
	p.move(0)
	p.moved = false
	if p.held { // the newest ones are in the next answer
		m.poke++
	}
}

func (m *model) last() {
	p := m.place()
	if p.page.Body != nil {
		p.top = max(m.layout.BodyLines-m.layout.PageRows, 0)
		return
	}
	p.move(max(p.rows()-1, 0))
	p.moved = true
	p.toEnd = p.rows() < p.total() && p.asked.Limit < view.MaxLimit
}

func (m *model) sortable() bool { return m.place().nextSort() != "" }

// sortBy sorts by a key in its natural order.
func (m *model) sortBy(key string) {
	p := m.place()
	p.sort, p.reverse = key, false
	if keys := view.SortKeys(p.page.View); len(keys) > 0 && key == keys[0] {
		p.sort = ""
	}
}

func (m *model) nextWindow() {
	m.window = view.Windows[(slices.Index(view.Windows, m.window)+1)%len(view.Windows)]
}

// togglePanel hides the panel where it is shown, and the other way round.
func (m *model) togglePanel() {
	m.panel = render.PanelOn
	if m.layout.Panel {
		m.panel = render.PanelOff
	}
}

func (m *model) openHelp() { m.help = &render.Help{Lines: m.helpLines()} }

func (m *model) helpKey(name string) {
	half := max(m.layout.PageRows/2, 1)
	by := map[string]int{
		"j": 1, "Down": 1, "k": -1, "Up": -1, "Ctrl-D": half, "PgDn": 2 * half, "Space": 2 * half, "Ctrl-U": -half, "PgUp": -2 * half,
		"g": -1 << 20, "Home": -1 << 20, "G": 1 << 20, "End": 1 << 20,
	}[name]
	if by != 0 {
		m.help.Top = max(min(m.help.Top+by, m.layout.BodyLines-m.layout.PageRows), 0)
		return
	}
	m.help = nil
}

// wheelLines is how far one notch of the wheel goes.
const wheelLines = 3

// mouse does what a click or the wheel means. It says whether it meant anything.
func (m *model) mouse(action tview.MouseAction, ev *tcell.EventMouse) bool {
	x, y := ev.Position()
	lines := map[tview.MouseAction]int{tview.MouseScrollUp: -wheelLines, tview.MouseScrollDown: wheelLines}[action]
	click := action == tview.MouseLeftClick || action == tview.MouseLeftDoubleClick
	switch {
	case lines == 0 && !click:
		return false
	case m.help != nil:
		m.help.Top = max(min(m.help.Top+lines, m.layout.BodyLines-m.layout.PageRows), 0)
	case m.prompt != nil || m.choosing:
	case lines != 0:
		m.scroll(lines)
	default:
		m.guard(func() { m.click(x, y, action == tview.MouseLeftDoubleClick) })
	}
	return true
}

func (m *model) click(x, y int, twice bool) {
	tab := 0
	for _, p := range m.pages {
		if p.Key == 0 {
			continue
		}
		if tab < len(m.layout.Tabs) && m.layout.Tabs[tab].Holds(x, y) {
			m.open(p)
			return
		}
		tab++
	}
	p := m.place()
	for i, head := range m.layout.Heads {
		if head.Holds(x, y) && p.page.Columns[i].Sort != "" {
			if key := p.page.Columns[i].Sort; key == p.sortKey() {
				p.reverse = !p.reverse
			} else {
				m.sortBy(key)
			}
			return
		}
	}
	row := m.layout.Top + y - m.layout.FirstY
	if p.page.Body == nil && y >= m.layout.FirstY && y < m.layout.FirstY+m.layout.PageRows && row >= 0 && row < p.rows() {
		p.move(row)
		p.moved = true
		if twice {
			m.enter()
		}
	}
}

// tick is called once in a while without anything else happening. It says whether something on the screen changes by it.
func (m *model) tick() bool {
	if m.status.text != "" && !m.now().Before(m.status.until) {
		m.status = status{}
		return true
	}
	return false
}

// frozenInterval is between questions about a frozen world, which does not change: often enough for it not to be forgotten.
const frozenInterval = time.Minute
