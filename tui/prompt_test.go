// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"fmt"
	"strings"
	"testing"

	"sonde/agent/view"
)

// picky refuses filters as the store does.
func picky() *script {
	w := steady(3)
	answer := w.answer
	w.answer = func(q view.Query) (*view.Snapshot, error) {
		if strings.Contains(q.Filter, "--prot ") {
			return nil, fmt.Errorf("%w: column 1: --prot is no filter", view.ErrBadQuery)
		}
		return answer(q)
	}
	return w
}

func TestBadFilterIsShownWhileItsTextStaysEditable(t *testing.T) {
	w := picky()
	d := newDesk(t, w, 80, 24)
	d.press("/")
	d.write("--prot 80")
	d.press("Enter")
	d.see("filter: --prot 80", "column 1: --prot is no filter")
	if d.m.filter != "" {
		t.Errorf("filter %q was applied", d.m.filter)
	}
	last := w.asked[len(w.asked)-2] // the one behind it is the refresh
	if last.Filter != "--prot 80" || last.Limit != 1 {
		t.Errorf("asked %+v to look at the filter", last)
	}
	d.press("Home", "Delete", "Delete", "Delete", "Delete", "Delete", "Delete")
	d.seeNot("no filter")
	d.write("--port")
	d.press("Enter")
	if d.m.filter != "--port 80" || d.m.prompt != nil {
		t.Errorf("filter %q, prompt %+v", d.m.filter, d.m.prompt)
	}
}

func TestEmptyLineShowsAllAgainAndEscLeavesTheFilter(t *testing.T) {
	d := newDesk(t, steady(3), 80, 24)
	d.press("/")
	d.write("x")
	d.press("Enter", "/", "Ctrl-U")
	d.write("other")
	d.press("Esc")
	if d.m.filter != "x" {
		t.Errorf("filter %q", d.m.filter)
	}
	d.press("/", "Ctrl-U", "Enter")
	if d.m.filter != "" || d.m.prompt != nil {
		t.Errorf("filter %q", d.m.filter)
	}
}

func TestPromptEditsLikeAShell(t *testing.T) {
	for _, c := range []struct{ typed, keys, want string }{
		{"abc", "Left Backspace", "ac"},
		{"abc", "Home Delete", "bc"},
		{"abc def", "Ctrl-W", "abc "},
		{"abc def  ", "Ctrl-W", "abc "},
		{"abc", "Left Ctrl-K", "ab"},
		{"abc", "Left Ctrl-U", "c"},
		{"größe", "Backspace Backspace Backspace", "gr"},
		{"日本", "Left x", "日x本"},
		{"e\u0301x", "Left Backspace", "x"},
		{"", "Backspace Delete Left Right Ctrl-W", ""},
		{"a", "Ctrl-A b Ctrl-E c Space d", "bac d"},
	} {
		d := newDesk(t, steady(3), 80, 24)
		d.press("/")
		d.write(c.typed)
		d.press(strings.Fields(c.keys)...)
		if d.m.prompt.text != c.want {
			t.Errorf("%q and %s make %q, want %q", c.typed, c.keys, d.m.prompt.text, c.want)
		}
	}
}

func TestPromptCompletesFlagsAndValues(t *testing.T) {
	w := steady(3)
	w.values = []string{"nginx", "node", "my app"}
	d := newDesk(t, w, 80, 24)
	d.press("/")
	d.see("--protocol", "--port")
	d.write("--proc")
	d.press("Tab")
	if d.m.prompt.text != "--process " {
		t.Fatalf("completed to %q", d.m.prompt.text)
	}
	d.see("nginx", "node", "'my app'")
	d.write("n")
	d.press("Down", "Down", "Enter")
	if d.m.prompt.text != "--process node " {
		t.Fatalf("completed to %q", d.m.prompt.text)
	}
	d.press("Backspace")
	d.write(",ng")
	d.press("Tab")
	d.write("--no")
	d.press("Tab")
	if d.m.prompt.text != "--process node,nginx --not " {
		t.Errorf("completed to %q", d.m.prompt.text)
	}
	d.write("--process=n")
	d.press("Tab", "Enter")
	if d.m.filter != "--process node,nginx --not --process=nginx" {
		t.Errorf("filter %q", d.m.filter)
	}
	if n := strings.Count(w.was(), "values process"); n != 1 {
		t.Errorf("values were asked for %d times: %s", n, w.was())
	}
}

func TestPromptRemembersFilters(t *testing.T) {
	d := newDesk(t, steady(3), 80, 24)
	for _, f := range []string{"one", "two", "one"} {
		d.press("/", "Ctrl-U")
		d.write(f)
		d.press("Enter")
	}
	d.press("/", "Ctrl-P")
	if d.m.prompt.text != "one" {
		t.Errorf("recalled %q", d.m.prompt.text)
	}
	d.press("Ctrl-P", "Ctrl-P")
	if d.m.prompt.text != "two" {
		t.Errorf("recalled %q", d.m.prompt.text)
	}
	d.press("Ctrl-N", "Ctrl-N", "Ctrl-N")
	if d.m.prompt.text != "" {
		t.Errorf("recalled %q", d.m.prompt.text)
	}
}

func TestPastedTextIsTypedAndNeverTakenForKeys(t *testing.T) {
	d := newDesk(t, steady(3), 80, 24)
	d.m.paste("qqq")
	if d.m.quit || d.m.prompt != nil {
		t.Error("pasted text was taken for keys")
	}
	d.press("/")
	d.m.paste("--port\x1b 80")
	if d.m.prompt.text != "--port 80" {
		t.Errorf("pasted %q", d.m.prompt.text)
	}
}

func TestLongLineShowsItsCursor(t *testing.T) {
	d := newDesk(t, steady(3), 40, 12)
	d.press("/")
	d.write(strings.Repeat("abcdefghi ", 20) + "END")
	d.see("END")
	d.press("Home")
	d.see("filter: abcdefghi")
	if d.m.layout.CursorX != 9 {
		t.Errorf("the cursor is in column %d", d.m.layout.CursorX)
	}
}
