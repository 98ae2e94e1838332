// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/view"
)

// stream answers with the newest of total requests first, as many as are wanted and kept.
type stream struct {
	script
	total, kept int
}

func newStream(total, kept int) *stream {
	s := &stream{total: total, kept: kept}
	s.answer = func(q view.Query) (*view.Snapshot, error) {
		snap := world(view.Query{Page: q.Page, Window: q.Window}, 0)
		snap.Rows = min(s.total, s.kept)
		for i := range min(snap.Rows, q.Limit) {
			snap.Requests = append(snap.Requests, request(uint64(s.total-i)))
		}
		return snap, nil
	}
	return s
}

func TestSelectionStaysOnItsRowWhenRowsReorder(t *testing.T) {
	order := []string{"a", "b", "c", "d", "e"}
	w := &script{answer: func(q view.Query) (*view.Snapshot, error) {
		s := world(q, 0)
		for _, name := range order {
			s.Services = append(s.Services, view.Service{Name: "svc-" + name})
		}
		return s, nil
	}}
	d := newDesk(t, w, 80, 24)
	d.press("j", "j")
	for _, next := range []string{"edcba", "caebd", "abdec", "c", "zyxwc"} {
		order = strings.Split(next, "")
		d.refresh()
		if _, line := d.selected(); !strings.Contains(line, "svc-c") {
			t.Fatalf("%s: the selection is on %q", next, line)
		}
	}
	order = strings.Split("vwxyz", "")
	d.refresh()
	if _, line := d.selected(); !strings.Contains(line, "svc-z") {
		t.Errorf("the selected row is gone, and the selection is on %q instead of the one in its place", line)
	}
}

func TestUntouchedSelectionStaysAtTheTop(t *testing.T) {
	order := []string{"a", "b"}
	w := &script{answer: func(q view.Query) (*view.Snapshot, error) {
		s := world(q, 0)
		for _, name := range order {
			s.Services = append(s.Services, view.Service{Name: "svc-" + name})
		}
		return s, nil
	}}
	d := newDesk(t, w, 80, 24)
	slices.Reverse(order)
	d.refresh()
	if _, line := d.selected(); !strings.Contains(line, "svc-b") {
		t.Errorf("the selection is on %q", line)
	}
}

func TestRequestsStandStillUnderTheCursor(t *testing.T) {
	s := newStream(500, 50_000)
	d := newDesk(t, s, 80, 24)
	d.press("2", "j", "j", "j", "j")
	y, before := d.selected()
	for range 30 { // more come than are asked for
		s.total += 17
		d.refresh()
		if at, line := d.selected(); line != before || at != y {
			t.Fatalf("with %d requests the selection is %q in line %d, was %q in line %d:\n%s", s.total, line, at, before, y, d.draw())
		}
	}
	d.see("held, g follows")
	d.press("g")
	d.see(fmt.Sprintf("GET /orders/%d\n", s.total))
	d.seeNot("held")
	s.total++
	d.refresh()
	if _, line := d.selected(); !strings.Contains(line, fmt.Sprint("/orders/", s.total)) {
		t.Errorf("the first row does not follow: %q", line)
	}
}

func TestHeldRequestsLeadToTheNewestOnesAtTheTop(t *testing.T) {
	s := newStream(500, 300)
	d := newDesk(t, s, 80, 24)
	d.press("2", "j", "j")
	s.total += 10_000
	d.refresh()
	d.see("held", "GET /orders/500")
	d.press("k", "k")
	if _, line := d.selected(); !strings.Contains(line, "/orders/10500") {
		t.Errorf("the selection is on %q", line)
	}
}

func TestMoreRowsAreAskedForWhenTheCursorComesNearTheLast(t *testing.T) {
	w := steady(30_000)
	d := newDesk(t, w, 80, 24)
	if got := d.m.query().Limit; got != view.DefaultLimit {
		t.Errorf("asks for %d rows at the top", got)
	}
	for range 30 {
		d.press("PgDn")
	}
	d.wantRow(30 * 16)
	if got := d.m.query().Limit; got != 1000 {
		t.Errorf("asks for %d rows at row 480", got)
	}
	d.press("G")
	d.refresh()
	d.wantRow(view.MaxLimit - 1)
	d.see("rows 20000/30000")
	d.press("g")
	if got := d.m.query().Limit; got != view.DefaultLimit {
		t.Errorf("asks for %d rows at the top again", got)
	}
}

func TestViewDoesNotJumpWhenPagesChange(t *testing.T) {
	d := newDesk(t, steady(100), 80, 24)
	d.press("PgDn", "PgDn", "k", "k", "k")
	before := d.draw()
	d.press("Enter", "Esc")
	if after := d.draw(); after != before {
		t.Errorf("the way back leads elsewhere:\n%s\nbefore:\n%s", after, before)
	}
	d.press("2", "1")
	if after := d.draw(); after != before {
		t.Errorf("the page was not left as it was:\n%s\nbefore:\n%s", after, before)
	}
}

func TestErrorKeepsTheLastRowsAndSaysSo(t *testing.T) {
	w := steady(5)
	d := newDesk(t, w, 80, 24)
	w.failing = errors.New("dial unix sonde.sock: connection refused")
	d.refresh()
	d.see("service-3", "agent does not answer: dial unix sonde.sock: connection refused, trying again", "NO ANSWER")
	w.failing = nil
	d.refresh()
	d.seeNot("answer")
}

func TestErrorBeforeTheFirstAnswerIsShownInPlaceOfRows(t *testing.T) {
	w := steady(5)
	w.failing = errors.New("no such socket")
	d := newDesk(t, w, 80, 24)
	d.see("no answer yet", "agent does not answer: no such socket")
}

func TestFrozenWorldThatIsGoneIsLiveAgain(t *testing.T) {
	w := steady(5)
	d := newDesk(t, w, 100, 24)
	d.press("p")
	w.failing = view.ErrGone
	d.refresh()
	w.failing = nil
	d.refresh()
	d.see("the paused view is gone", "live again")
	if d.m.query().Frozen != 0 || d.m.pause.wanted {
		t.Errorf("still paused: %+v", d.m.pause)
	}
}

func TestPauseThatIsTakenBackWhileItHappensThaws(t *testing.T) {
	w := steady(5)
	d := newDesk(t, w, 80, 24)
	d.m.key(event("p"))
	d.m.key(event("p"))
	d.refresh()
	if w.was() != "freeze 1; thaw 1" || d.m.query().Frozen != 0 {
		t.Errorf("the world was told %q, pause %+v", w.was(), d.m.pause)
	}
}

func TestAnswerToAnotherQuestionIsThrownAway(t *testing.T) {
	d := newDesk(t, steady(5), 80, 24)
	old := d.m.query()
	d.press("t")
	before := d.draw()
	s := world(old, 3)
	s.Host = "elsewhere"
	d.m.take(answer{old, s, nil})
	if after := d.draw(); after != before {
		t.Errorf("it is shown:\n%s", after)
	}
	wrong := world(view.Query{Page: view.PageRequests}, 3)
	d.m.take(answer{d.m.query(), wrong, nil})
	d.see("agent does not answer: it spoke of page \"requests\"")
}

func TestPageThatPanicsLeavesTheOthersUsable(t *testing.T) {
	d := newDesk(t, steady(5), 80, 24)
	p := d.m.place().page
	good := p.Columns[0].Cell
	p.Columns[0].Cell = nil
	d.refresh()
	d.see("This page cannot be shown", "mistake in sonde", "Other pages still work")
	d.press("2")
	d.see("GET /orders/5")
	p.Columns[0].Cell = good
	d.press("1")
	d.see("service-5")
	p.Enter = func(*view.Snapshot, int, view.Scope) (view.Page, view.Scope, bool) { panic("no way") }
	d.press("Enter")
	d.see("cannot be shown", "no way")
}

func TestStatusLineGoesAwayByItself(t *testing.T) {
	d := newDesk(t, steady(5), 80, 24)
	d.m.say(0, "for your information")
	d.see("for your information")
	d.clock = d.clock.Add(statusTime + time.Second)
	if !d.m.tick() {
		t.Error("nothing to draw")
	}
	d.seeNot("for your information")
}

func TestNotesAreShownAndHelpHasAllOfThem(t *testing.T) {
	w := &script{answer: func(q view.Query) (*view.Snapshot, error) {
		s := world(q, 2)
		s.Notes = []string{"3 records were lost", "TLS of java is not seen"}
		s.Overview.Lost, s.Overview.LostRecent = 3, 1
		return s, nil
	}}
	d := newDesk(t, w, 80, 24)
	d.see("3 records were lost (+1, see ?)", "lost  3 (now!)")
	d.press("?")
	d.see("TLS of java is not seen")
}

func TestTextOfAPageWithoutRowsScrolls(t *testing.T) {
	d := newDesk(t, steady(1), 80, 24)
	d.press("7", "G")
	d.see("line 50")
	d.press("k")
	d.seeNot("line 50")
	d.see("line 49")
	d.press("g")
	d.see("line 1\n")
	d.press("k", "PgUp")
	d.see("line 1\n")
}

func TestLongStatusIsShownInFull(t *testing.T) {
	d := newDesk(t, steady(50), 40, 12)
	d.m.say(0, "700 rows are in a-folder/with-a-long-name/sonde-services-20261121-120000.json")
	d.see("700 rows are in\n", "a-folder/with-a-long-name/sonde-servic\n es-20261121-120000.json\n", "? help")
}
