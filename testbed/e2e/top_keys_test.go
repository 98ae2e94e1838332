// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/apps/shop"
	"sonde/testbed/terminal"
)

// fruit is a machine with three servers that are asked by known loads, and a viewer of these alone.
type fruit struct {
	*viewer
	l     *lab
	fence fence
	ports map[string]int
	addrs map[string]string
}

// asked is how often each server is asked, and by which paths.
var asked = map[string]struct {
	n   int
	mix string
}{
	"papaya": {300, "GET /ok,GET /status/500"},
	"quince": {200, "GET /sleep/3"},
	"rambut": {100, "GET /any/a,GET /any/b,GET /any/c,GET /status/404"},
}

func (l *lab) fruit(t *testing.T, o terminal.Options, args ...string) *fruit {
	t.Helper()
	f := &fruit{l: l, fence: newFence(t), ports: map[string]int{}, addrs: map[string]string{}}
	for name := range asked {
		s := l.serverAs(t, f.fence, name, apps.Go)
		f.ports[name], f.addrs[name] = s.Port, s.Addr
	}
	f.viewer = l.top(t, o, slices.Concat(f.fence.only(), []string{"--window", "15m"}, args)...)
	for name, of := range asked {
		l.loadAs(t, f.fence, "mango", f.addrs[name], "-conns", "4", "-n", strconv.Itoa(of.n), "-rate", "1000", "-mix", of.mix)
	}
	f.shows("papaya", "quince", "rambut")
	return f
}

// services returns the names of the servers on the page once they are as good says.
func (f *fruit) services(what string, good func([]string) bool) []string {
	f.t.Helper()
	var names []string
	f.table(what, []string{"SERVICE"}, func(t *terminal.Table) bool {
		names = slices.DeleteFunc(t.Column("SERVICE"), func(s string) bool { return asked[s].n == 0 })
		return good(names)
	})
	return names
}

func (f *fruit) order(names ...string) {
	f.t.Helper()
	f.services(fmt.Sprint("order ", names), func(got []string) bool { return slices.Equal(got, names) })
}

func TestTopDoesWhatItsKeysSay(t *testing.T) {
	f := newLab(t).fruit(t, roomy)
	t.Run("sort", func(t *testing.T) { f.on(t).sorts() })
	t.Run("filter", func(t *testing.T) { f.on(t).filters() })
	t.Run("move", func(t *testing.T) { f.on(t).moves() })
	t.Run("window", func(t *testing.T) { f.on(t).windows() })
	t.Run("panel", func(t *testing.T) { f.on(t).panels() })
	t.Run("pages", func(t *testing.T) { f.on(t).pages() })
	t.Run("mouse", func(t *testing.T) { f.on(t).mice() })
	t.Run("help", func(t *testing.T) { f.on(t).helps() })
	t.Run("leave", func(t *testing.T) {
		f.on(t).press("q")
		exit, err := f.Wait(sight)
		if err != nil || exit.Code != 0 {
			t.Errorf("q ends it with %+v: %v", exit, err)
		}
	})
}

// on is the same for a part of a test. Another part that failed may have left a prompt open or a filter set.
func (f *fruit) on(t *testing.T) *fruit {
	part := *f
	part.viewer = f.viewer.on(t)
	part.press("Escape")
	time.Sleep(100 * time.Millisecond) // or what follows is taken for Alt and a key
	part.filter("")
	return &part
}

// sorts goes through orders that differ: by rate papaya is first, by name too but rising, by duration quince.
func (f *fruit) sorts() {
	f.press("1")
	f.order("papaya", "quince", "rambut")
	f.press("S")
	f.order("rambut", "quince", "papaya")
	f.press("S")
	f.order("papaya", "quince", "rambut")
	seen := map[string]bool{}
	for range 12 {
		s := f.shows("by ")
		key := between(s, "by ", "  ")
		if seen[key] {
			break
		}
		seen[key] = true
		switch key {
		case "p50", "p95", "p99":
			f.services("quince first, by "+key, func(names []string) bool { return names[0] == "quince" })
		case "errors":
			f.services("papaya first, by errors", func(names []string) bool { return names[0] == "papaya" })
		}
		f.press("s")
		f.await("another order", func(s terminal.Screen) bool { return between(s, "by ", "  ") != key })
	}
	if len(seen) < 6 {
		f.t.Errorf("s goes through %v", seen)
	}
	for range 12 {
		if between(f.shows("by "), "by ", "  ") == "rate" {
			return
		}
		f.press("s")
		time.Sleep(100 * time.Millisecond)
	}
	f.t.Error("s does not come back to rate")
}

// between returns what stands behind a word on the line above the table, up to another text.
func between(s terminal.Screen, from, to string) string {
	for _, line := range s.Lines[:min(6, len(s.Lines))] {
		if i := strings.LastIndex(line, from); i >= 0 {
			rest, _, _ := strings.Cut(line[i+len(from):], to)
			return rest
		}
	}
	return ""
}

func (f *fruit) filters() {
	f.press("1")
	f.filter("--service quince")
	f.order("quince")
	f.press("/")
	f.press("C-e", "C-u")
	f.check(f.Type("--to-serv"))
	f.shows("--to-service")
	f.press("Tab")
	f.check(f.Type("ram"))
	f.shows("rambut") // a name that the traffic has
	f.press("Tab")
	f.press("Enter")
	f.shows("--to-service rambut")
	f.order("rambut")
	f.press("/")
	f.press("C-e", "C-u")
	f.check(f.Type("--http-status 99"))
	f.press("Enter")
	f.shows("404, 5+ for all that begin with 5") // what would be accepted
	f.press("Escape")
	f.order("rambut") // the old one holds
	f.filter("--http-status 5+")
	f.order("papaya")
	f.filter("")
	f.order("papaya", "quince", "rambut")
}

// moves walks through rows by the keys of vi and by those with arrows.
func (f *fruit) moves() {
	f.press("2")
	at := func(row int) {
		f.t.Helper()
		f.await(fmt.Sprintf("cursor in row %d", row), func(s terminal.Screen) bool {
			return strings.HasPrefix(between(s, "rows ", "  "), strconv.Itoa(row)+"/")
		})
	}
	total := 0
	f.await("the requests", func(s terminal.Screen) bool { // the page before has a few rows
		_, err := fmt.Sscanf(between(s, "rows ", "  "), "1/%d", &total)
		return err == nil && total >= 100
	})
	for _, step := range []struct {
		key string
		row int
	}{{"j", 2}, {"j", 3}, {"k", 2}, {"Down", 3}, {"Up", 2}, {"G", total}, {"k", total - 1}, {"End", total}, {"g", 1}, {"End", total}, {"Home", 1}} {
		f.press(step.key)
		at(step.row)
	}
	f.press("C-d")
	f.await("half a page down", func(s terminal.Screen) bool { return !strings.HasPrefix(between(s, "rows ", "  "), "1/") })
	f.press("C-u")
	at(1)
	f.press("PageDown", "PageUp")
	at(1)
}

func (f *fruit) windows() {
	f.press("1")
	for _, want := range []string{"last 10s", "last 1m", "last 5m", "last 15m"} {
		f.press("t")
		f.shows(want)
	}
}

func (f *fruit) panels() {
	f.press("1")
	f.selectRow([]string{"SERVICE"}, "SERVICE", "quince")
	f.shows("quince answers")
	f.press("i")
	f.await("no panel", func(s terminal.Screen) bool { return !s.Contains("quince answers") })
	f.press("i")
	f.shows("quince answers")
}

func (f *fruit) pages() {
	titles := []string{"Services", "Requests", "Flows", "Map", "Processes", "DNS", "Agent"}
	for i, title := range titles {
		f.press(strconv.Itoa(i + 1))
		f.shows(fmt.Sprintf("[%d %s]", i+1, title))
	}
	f.press("Tab")
	f.shows("[1 Services]")
	f.press("BTab")
	f.shows("[7 Agent]")
}

func (f *fruit) mice() {
	f.press("1")
	f.order("papaya", "quince", "rambut")
	click := func(text string) {
		f.t.Helper()
		x, y, _ := f.shows(text).Find(text)
		f.check(f.Click(terminal.LeftButton, x+1, y))
	}
	click("SERVICE")
	f.shows("by name")
	click("SERVICE")
	f.services("names falling", func(names []string) bool { return slices.Equal(names, []string{"rambut", "quince", "papaya"}) })
	click("quince")
	f.shows("quince answers")
	click("5 Processes")
	f.shows("[5 Processes]")
	click("2 Requests")
	f.shows("rows 1/")
	f.check(f.Click(terminal.WheelDown, 20, 20))
	f.await("rows further down", func(s terminal.Screen) bool { return !s.Contains("rows 1/") })
	f.press("1", "S")
	for range 12 {
		if between(f.shows("by "), "by ", "  ") == "rate" {
			return
		}
		f.press("s")
		time.Sleep(100 * time.Millisecond)
	}
}

func (f *fruit) helps() {
	f.press("?")
	s := f.shows("open a page", "next row", "the flags of sonde observe", "leave")
	all := s.String()
	f.press("G")
	time.Sleep(500 * time.Millisecond)
	last, err := f.Screen()
	f.check(err)
	all += last.String()
	for _, key := range []string{"1 ", "Tab", "Shift-Tab", "Enter", "Esc", "j", "k", "g", "G", "Ctrl-D", "Ctrl-U", "PgDn", "PgUp", "/", "s", "S", "p",
		"Space", "t", "e", "i", "?", "q", "Ctrl-C", "r", "[", "]", "{", "}", "<", ">", "0"} {
		if !strings.Contains(all, key) {
			f.t.Errorf("the help does not have %q:\n%s", key, all)
		}
	}
	f.press("Escape")
	f.await("page again", func(s terminal.Screen) bool { return !s.Contains("next row") })
}

// TestTopStandsStillWhilePaused has a load that goes on. What is shown and exported does not change; afterwards the world has gone on.
func TestTopStandsStillWhilePaused(t *testing.T) {
	l := newLab(t)
	f := newFence(t)
	s := l.serverAs(t, f, "papaya", apps.Go)
	v := l.top(t, terminal.Options{Width: 140, Height: 40, Term: "xterm-256color"}, slices.Concat(f.only(), []string{"--window", "15m"})...)
	l.loadFor(t, f, "mango", s.Addr, "-conns", "2", "-rate", "300")
	v.shows("papaya", "mango")
	count := func() int {
		r, _ := find(exported[serviceRow](v), func(r serviceRow) bool { return r.Name == "papaya" })
		return r.In.Count
	}
	for range 2 { // each time anew
		v.press("p")
		v.shows("PAUSED")
		first := count()
		still := v.rowsNow()
		time.Sleep(1500 * time.Millisecond)
		if now := v.rowsNow(); now != still {
			t.Errorf("paused, and the rows change from\n%s\nto\n%s", still, now)
		}
		if again := count(); again != first || first == 0 {
			t.Errorf("paused, and %d requests become %d", first, again)
		}
		v.press("p")
		v.await("world that goes on", func(s terminal.Screen) bool { return !s.Contains("PAUSED") })
		if now := count(); now < first+300 {
			t.Errorf("after the pause %d requests, before %d: the world has stood still", now, first)
		}
	}
}

// rowsNow is the part of the screen that rows are in.
func (v *viewer) rowsNow() string {
	v.t.Helper()
	s, err := v.Screen()
	v.check(err)
	return strings.Join(s.Lines[4:s.Height-2], "\n")
}

func TestTopIsUsableInEightyByTwentyFour(t *testing.T) {
	f := newLab(t).fruit(t, terminal.Options{Width: 80, Height: 24, Term: "xterm-256color"})
	f.order("papaya", "quince", "rambut")
	for page := 1; page <= 7; page++ {
		f.press(strconv.Itoa(page))
		f.shows(fmt.Sprintf("[%d ", page))
		s := f.shows("q quit", "? help")
		for _, line := range s.Lines {
			if strings.Contains(line, "mistake in sonde") {
				t.Error(s)
			}
		}
	}
	f.press("2")
	table := f.table("requests", []string{"TARGET", "STATUS", "DURATION"}, func(t *terminal.Table) bool { return len(t.Rows) > 10 })
	for _, r := range table.Rows {
		if r.Cells["TARGET"] == "" || r.Cells["DURATION"] == "" {
			t.Errorf("row %v", r)
		}
	}
}

var spanTitles = []string{"SPAN", "TIME", "DURATION", "STATUS"}

// TestTopLeadsFromServicesToATrace enters the gateway of the shop, its only operation, one of its requests, and finds the
// calls of that order in the order of their parents.
func TestTopLeadsFromServicesToATrace(t *testing.T) {
	l := newLab(t)
	s := l.shop(t)
	var ports []string
	for _, p := range s.Ports() {
		ports = append(ports, strconv.Itoa(p))
	}
	v := l.top(t, roomy, "--local", "--window", "15m", "--port", strings.Join(ports, ","))
	const learning, orders = 100, 20
	buy(t, s, 1, learning, 1)
	buy(t, s, 1+learning, orders, 1)
	v.press("1")
	v.selectRow([]string{"SERVICE"}, "SERVICE", "gateway")
	v.press("Enter")
	v.table("the operations of the gateway", []string{"OPERATION"}, func(t *terminal.Table) bool {
		return slices.ContainsFunc(t.Column("OPERATION"), func(s string) bool { return strings.HasPrefix(s, "GET /orders/") })
	})
	v.selectRow([]string{"OPERATION"}, "OPERATION", v.rowWith("OPERATION", "GET /orders/"))
	v.press("Enter")
	last := learning + orders - (learning+orders)%10 + 1 // ends with 1: everything is called
	for last > learning+orders {
		last -= 10
	}
	target := fmt.Sprintf("GET /orders/%d", last)
	v.table("the requests", []string{"TIME", "TARGET", "STATUS"}, func(t *terminal.Table) bool { _, ok := t.Row("TARGET", target); return ok })
	v.selectRow([]string{"TIME", "TARGET", "STATUS"}, "TARGET", target)
	v.press("Enter")
	v.table("the trace", spanTitles, func(t *terminal.Table) bool { return len(t.Rows) >= len(shop.Calls(last)) })
	rows := exported[requestRow](v)
	v.traceIsRight(rows, last)
	for _, column := range []string{"BYTES", "OPERATION", "PROCS"} { // of the pages on the way back
		v.press("Escape")
		v.shows(column)
	}
}

// rowWith returns the first cell of a column that begins so.
func (v *viewer) rowWith(title, prefix string) string {
	v.t.Helper()
	s, err := v.Screen()
	v.check(err)
	table, err := rowsOf(s, title)
	v.check(err)
	for _, cell := range table.Column(title) {
		if strings.HasPrefix(cell, prefix) {
			return cell
		}
	}
	v.t.Fatalf("no %s begins with %s:\n%s", title, prefix, s)
	return ""
}

// traceIsRight holds spans against the calls of an order: each end once, parents before children and one level deeper.
func (v *viewer) traceIsRight(rows []requestRow, order int) {
	v.t.Helper()
	calls := shop.Calls(order)
	if len(rows) != 2*len(calls) {
		v.t.Errorf("%d spans of %d calls", len(rows), len(calls))
	}
	depth := map[string]int{}
	for i, r := range rows {
		parent, known := depth[r.ParentID]
		switch {
		case i == 0 && r.Depth != 0, i > 0 && !known, i > 0 && r.Depth != parent+1:
			v.t.Errorf("span %d, %s %s, has depth %d, its parent %q has %d (%v)", i, r.Role, r.Target, r.Depth, r.ParentID, parent, known)
		}
		depth[r.SpanID] = r.Depth
	}
	for _, c := range calls {
		if c.Protocol != "http" {
			continue
		}
		n := 0
		for _, r := range rows {
			if r.Target == c.Name && r.Status == c.Status {
				n++
			}
		}
		if n != 2 {
			v.t.Errorf("%s is there %d times", c.Name, n)
		}
	}
}

// TestTopLeadsFromAFlowToItsRequests goes by flow, connection and request.
func TestTopLeadsFromAFlowToItsRequests(t *testing.T) {
	f := newLab(t).fruit(t, roomy, "--page", "flows")
	end := fmt.Sprintf("quince:%d", f.ports["quince"])
	f.selectRow([]string{"CLIENT", "SERVER:PORT"}, "SERVER:PORT", end)
	f.press("Enter")
	f.shows("Connections", "STATE")
	conns := awaitExport(f.viewer, "connections", func(rows []connRow) bool { return len(rows) == 4 })
	sum := 0
	for _, c := range conns {
		sum += c.Requests
	}
	if sum != asked["quince"].n {
		t.Errorf("connections have %d requests, %d were sent: %+v", sum, asked["quince"].n, conns)
	}
	f.press("Enter")
	f.shows("TARGET", "GET /sleep/3")
	rows := exported[requestRow](f.viewer)
	of, found := find(conns, func(c connRow) bool { return len(rows) > 0 && c.ID == rows[0].Conn })
	if !found || len(rows) != of.Requests {
		t.Errorf("%d requests of connection %+v", len(rows), of)
	}
	for _, r := range rows {
		if r.Conn != of.ID {
			t.Errorf("a request of another connection: %+v", r)
		}
	}
}
