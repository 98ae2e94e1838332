// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"strings"

	"github.com/gdamore/tcell/v2"

	"sonde/tui/page"
	"sonde/tui/render"
)

// KeyHelp is a line of the table of keys: what the footer, the help page and the manual say of a key.
type KeyHelp struct {
	Keys  []string // names: "q", "Ctrl-C", "Enter"
	Name  string   // what it does, in a word
	Help  string   // in a sentence
	Group string   // of keys that belong together
}

// Keys returns the table of keys in the order of the help page.
func Keys() []KeyHelp {
	var all []KeyHelp
	for _, b := range bindings(page.All()) {
		all = append(all, b.KeyHelp)
	}
	return all
}

// binding is one line of the table with what it does.
type binding struct {
	KeyHelp
	when   func(m *model) bool // nil: always
	footer int                 // rank among the hints at the bottom, 0 for none
	do     func(m *model, key string)
}

// The groups of the table.
const (
	groupPages = "Pages"
	groupMove  = "Move"
	groupShow  = "Show"
	groupTime  = "Time"
	groupOther = "Other"
)

// bindings is the table of keys. The first line that has a key and is available wins.
func bindings(pages []*page.Page) []binding {
	var table []binding
	for _, part := range [][]binding{pageKeys(pages), moveKeys(), showKeys(), timeKeys(), otherKeys()} {
		table = append(table, part...)
	}
	return table
}

func pageKeys(pages []*page.Page) []binding {
	var digits, titles []string
	for _, p := range pages {
		if p.Key != 0 {
			digits, titles = append(digits, string(p.Key)), append(titles, string(p.Key)+" "+p.Title)
		}
	}
	return []binding{
		{
			KeyHelp: KeyHelp{digits, "page", "open a page: " + strings.Join(titles, ", "), groupPages},
			do:      func(m *model, key string) { m.openKey(rune(key[0])) },
		},
		{KeyHelp: KeyHelp{[]string{"Tab", "l", "Right"}, "next", "next page", groupPages}, do: func(m *model, _ string) { m.turn(1) }},
		{
			KeyHelp: KeyHelp{[]string{"Shift-Tab", "h", "Left"}, "previous", "previous page", groupPages},
			do:      func(m *model, _ string) { m.turn(-1) },
		},
		{
			KeyHelp: KeyHelp{[]string{"Enter"}, "open", "what is behind the selected row", groupPages}, footer: 1,
			when: (*model).enterable, do: func(m *model, _ string) { m.enter() },
		},
		{
			KeyHelp: KeyHelp{[]string{"Esc", "Backspace"}, "back", "back to where the page was entered from", groupPages}, footer: 2,
			when: func(m *model) bool { return len(m.stack) > 1 }, do: func(m *model, _ string) { m.back() },
		},
	}
}

func moveKeys() []binding {
	by := func(lines int) func(*model, string) { return func(m *model, _ string) { m.scroll(lines) } }
	pages := func(halves int) func(*model, string) {
		return func(m *model, _ string) { m.scroll(halves * max(m.layout.PageRows/2, 1)) }
	}
	return []binding{
		{KeyHelp: KeyHelp{[]string{"j", "Down"}, "down", "next row", groupMove}, do: by(1)},
		{KeyHelp: KeyHelp{[]string{"k", "Up"}, "up", "previous row", groupMove}, do: by(-1)},
		{KeyHelp: KeyHelp{[]string{"Ctrl-D"}, "half down", "half a screen down", groupMove}, do: pages(1)},
		{KeyHelp: KeyHelp{[]string{"Ctrl-U"}, "half up", "half a screen up", groupMove}, do: pages(-1)},
		{KeyHelp: KeyHelp{[]string{"PgDn", "Ctrl-F"}, "screen down", "a screen down", groupMove}, do: pages(2)},
		{KeyHelp: KeyHelp{[]string{"PgUp", "Ctrl-B"}, "screen up", "a screen up", groupMove}, do: pages(-2)},
		{
			KeyHelp: KeyHelp{[]string{"g", "Home"}, "first", "first row; where the newest come first, follow them again", groupMove},
			do:      func(m *model, _ string) { m.first() },
		},
		{KeyHelp: KeyHelp{[]string{"G", "End"}, "last", "last row", groupMove}, do: func(m *model, _ string) { m.last() }},
	}
}

func showKeys() []binding {
	return []binding{
		{KeyHelp: KeyHelp{
			[]string{"/"},
			"filter", "show only what matches, with the flags of sonde observe; an empty line shows all again",
			groupShow,
		}, footer: 3, do: func(m *model, _ string) { m.ask() }},
		{
			KeyHelp: KeyHelp{[]string{"s"}, "sort", "sort by the next column that can be sorted by", groupShow}, footer: 5, when: (*model).sortable,
			do: func(m *model, _ string) { m.sortBy(m.place().nextSort()) },
		},
		{
			KeyHelp: KeyHelp{[]string{"S"}, "reverse", "reverse the order", groupShow}, when: (*model).sortable,
			do: func(m *model, _ string) { m.place().reverse = !m.place().reverse },
		},
		{
			KeyHelp: KeyHelp{[]string{"t"}, "window", "time that rates and quantiles are of: 10 s, 1 min, 5 min, 15 min", groupShow}, footer: 7,
			do: func(m *model, _ string) { m.nextWindow() },
		},
		{
			KeyHelp: KeyHelp{[]string{"i"}, "panel", "show or hide the panel about the selected row", groupShow}, footer: 8,
			when: func(m *model) bool { return m.place().page.Panel != nil }, do: func(m *model, _ string) { m.togglePanel() },
		},
		{KeyHelp: KeyHelp{[]string{"r"}, "refresh", "refresh now", groupShow}, do: func(m *model, _ string) { m.poke++ }},
		{
			KeyHelp: KeyHelp{[]string{"e"}, "export", "write all rows of the page, filtered and sorted as they are, to a JSON or CSV file", groupShow},
			footer:  9, do: func(m *model, _ string) { m.choosing = true },
		},
	}
}

func timeKeys() []binding {
	playing := func(m *model) bool { return m.player != nil }
	seek := func(seconds int) func(*model, string) { return func(m *model, _ string) { m.seekBy(seconds) } }
	return []binding{
		{KeyHelp: KeyHelp{[]string{"p", "Space"}, "pause", "live: keep the view as it is, while the world goes on being observed; " +
			"a file: pause the playing; again to go on", groupTime}, footer: 6, do: func(m *model, _ string) { m.togglePause() }},
		{KeyHelp: KeyHelp{[]string{"["}, "-10s", "a file: 10 s back", groupTime}, footer: 10, when: playing, do: seek(-10)},
		{KeyHelp: KeyHelp{[]string{"]"}, "+10s", "a file: 10 s forward", groupTime}, footer: 11, when: playing, do: seek(10)},
		{KeyHelp: KeyHelp{[]string{"{"}, "-1min", "a file: 1 min back", groupTime}, when: playing, do: seek(-60)},
		{KeyHelp: KeyHelp{[]string{"}"}, "+1min", "a file: 1 min forward", groupTime}, when: playing, do: seek(60)},
		{
			KeyHelp: KeyHelp{[]string{"<"}, "slower", "a file: play slower", groupTime}, footer: 12, when: playing,
			do: func(m *model, _ string) { m.changeSpeed(-1) },
		},
		{
			KeyHelp: KeyHelp{[]string{">"}, "faster", "a file: play faster", groupTime}, footer: 13, when: playing,
			do: func(m *model, _ string) { m.changeSpeed(1) },
		},
		{
			KeyHelp: KeyHelp{[]string{"0"}, "start", "a file: play from the start", groupTime}, when: playing,
			do: func(m *model, _ string) { m.toStart() },
		},
	}
}

func otherKeys() []binding {
	return []binding{
		{KeyHelp: KeyHelp{[]string{"?", "F1"}, "help", "this page", groupOther}, footer: 4, do: func(m *model, _ string) { m.openHelp() }},
		{
			KeyHelp: KeyHelp{[]string{"Ctrl-L"}, "redraw", "draw the whole screen again", groupOther},
			do:      func(m *model, _ string) { m.redraw = true },
		},
		{
			KeyHelp: KeyHelp{[]string{"Ctrl-Z"}, "suspend", "back to the shell; fg comes back", groupOther},
			do:      func(m *model, _ string) { m.suspend = true },
		},
		{KeyHelp: KeyHelp{[]string{"q", "Ctrl-C"}, "quit", "leave", groupOther}, footer: 14, do: func(m *model, _ string) { m.quit = true }},
	}
}

// names of keys that are not characters.
var names = map[tcell.Key]string{
	tcell.KeyEnter: "Enter", tcell.KeyEscape: "Esc", tcell.KeyBackspace: "Backspace", tcell.KeyBackspace2: "Backspace",
	tcell.KeyTab: "Tab", tcell.KeyBacktab: "Shift-Tab", tcell.KeyUp: "Up", tcell.KeyDown: "Down", tcell.KeyLeft: "Left",
	tcell.KeyRight: "Right", tcell.KeyHome: "Home", tcell.KeyEnd: "End", tcell.KeyPgUp: "PgUp", tcell.KeyPgDn: "PgDn",
	tcell.KeyDelete: "Delete", tcell.KeyF1: "F1",
}

// keyName is what the table calls a key.
func keyName(ev *tcell.EventKey) string {
	if name, ok := names[ev.Key()]; ok {
		return name
	}
	switch k := ev.Key(); {
	case k == tcell.KeyRune && ev.Modifiers()&(tcell.ModAlt|tcell.ModMeta) != 0:
		return "Alt-" + runeName(ev.Rune())
	case k == tcell.KeyRune:
		return runeName(ev.Rune())
	case k >= tcell.KeyCtrlA && k <= tcell.KeyCtrlZ:
		return "Ctrl-" + string(rune('A'+k-tcell.KeyCtrlA))
	}
	return ""
}

func runeName(r rune) string {
	if r == ' ' {
		return "Space"
	}
	return string(r)
}

// key does what a key means where we are. Esc and a character that come at once are what a terminal sends for Alt with it; Alt
// means nothing here, so it was someone fast.
func (m *model) key(ev *tcell.EventKey) {
	name := keyName(ev)
	if after, alt := strings.CutPrefix(name, "Alt-"); alt {
		m.named("Esc", 0)
		name = after
	}
	m.named(name, ev.Rune())
}

func (m *model) named(name string, r rune) {
	switch {
	case name == "":
	case name == "Ctrl-C":
		m.quit = true
	case name == "Ctrl-L":
		m.redraw = true
	case name == "Ctrl-Z":
		m.suspend = true
	case m.choosing:
		m.choiceKey(name)
	case m.prompt != nil:
		m.promptKey(name, r)
	case m.help != nil:
		m.helpKey(name)
	default:
		m.guard(func() { m.tableKey(name) })
	}
}

func (m *model) tableKey(name string) {
	for _, b := range m.bindings {
		for _, k := range b.Keys {
			if k == name && (b.when == nil || b.when(m)) {
				b.do(m, name)
				return
			}
		}
	}
}

// What keys do while something is typed or read. These are not in the table: each of them is shown where it means something.
var (
	promptHints = []render.Hint{
		{Key: "Enter", Name: "apply"},
		{Key: "Tab", Name: "complete"},
		{Key: "Up Down", Name: "choose"},
		{Key: "Ctrl-P", Name: "last filter"},
		{Key: "Esc", Name: "cancel"},
	}
	helpHints = []render.Hint{{Key: "j k", Name: "scroll"}, {Key: "any other key", Name: "close"}}
)

// hints are the lines of the table for the footer, the most wanted first.
func (m *model) hints() []render.Hint {
	switch {
	case m.choosing:
		return nil
	case m.prompt != nil:
		return promptHints
	case m.help != nil:
		return helpHints
	}
	byRank := map[int]render.Hint{}
	last := 0
	for _, b := range m.bindings {
		if b.footer > 0 && (b.when == nil || b.when(m)) {
			byRank[b.footer] = render.Hint{Key: b.Keys[0], Name: b.Name}
			last = max(last, b.footer)
		}
	}
	var hints []render.Hint
	for rank := range last + 1 {
		if h, ok := byRank[rank]; ok {
			hints = append(hints, h)
		}
	}
	return hints
}

// helpLines are the table as a page, with the notes of the snapshot in front: only one of them fits elsewhere.
func (m *model) helpLines() []render.HelpLine {
	var lines []render.HelpLine
	if s := m.place().snap; s != nil && len(s.Notes) > 0 {
		lines = append(lines, render.HelpLine{Text: "Notes"})
		for _, n := range s.Notes {
			lines = append(lines, render.HelpLine{Keys: "-", Text: n})
		}
		lines = append(lines, render.HelpLine{})
	}
	group := ""
	for _, b := range m.bindings {
		if b.Group != group {
			if group != "" {
				lines = append(lines, render.HelpLine{})
			}
			group = b.Group
			lines = append(lines, render.HelpLine{Text: group})
		}
		keys := strings.Join(b.Keys, " ")
		if len(b.Keys) > 3 {
			keys = b.Keys[0] + " - " + b.Keys[len(b.Keys)-1]
		}
		lines = append(lines, render.HelpLine{Keys: keys, Text: b.Help})
	}
	return append(lines, render.HelpLine{},
		render.HelpLine{Text: "Mouse"},
		render.HelpLine{Keys: "click", Text: "select a row, sort by a column, open a page of the menu; twice on a row: what is behind it"},
		render.HelpLine{Keys: "wheel", Text: "scroll"})
}
