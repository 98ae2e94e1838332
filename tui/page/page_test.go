// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/view"
	"sonde/testbed/reviewed"
	"sonde/tui/render"
)

func TestPagesLookAsTheyDid(t *testing.T) {
	for _, p := range All() {
		for _, w := range []int{80, 140} {
			t.Run(fmt.Sprintf("%s at %d", p.Title, w), func(t *testing.T) {
				h := 24
				if p.Body != nil {
					h = 60
				}
				var b strings.Builder
				for _, selected := range []int{0, 1, -1} {
					if p.Panel == nil && selected != 0 {
						continue
					}
					fmt.Fprintf(&b, "--- row %d is selected\n%s", selected, shorten(screen(p, rich(p.View), w, h, selected).String()))
				}
				fmt.Fprintf(&b, "--- nothing\n%s", shorten(screen(p, &view.Snapshot{Page: p.View, Mode: "live"}, w, h, -1).String()))
				reviewed.Compare(t, filepath.Join("testdata", fmt.Sprintf("%s-%d.txt", p.View, w)), b.String())
			})
		}
	}
}

// shorten leaves one of several blank lines.
func shorten(s string) string {
	for strings.Contains(s, "\n\n\n") {
		s = strings.ReplaceAll(s, "\n\n\n", "\n\n")
	}
	return s
}

func TestMenuHasOneKeyForEachPageOfTheTop(t *testing.T) {
	want := []view.Page{view.PageServices, view.PageRequests, view.PageFlows, view.PageMap, view.PageProcesses, view.PageDNS, view.PageAgent}
	for i, p := range All() {
		switch {
		case i < len(want) && (p.View != want[i] || p.Key != rune('1'+i)):
			t.Errorf("page %d is %s with key %q, want %s", i, p.View, p.Key, want[i])
		case i >= len(want) && p.Key != 0:
			t.Errorf("%s is entered and has the key %q", p.View, p.Key)
		case Of(p.View) != p:
			t.Errorf("Of(%s) is another page", p.View)
		}
	}
	if Of("unheard") != nil {
		t.Error("Of finds a page that does not exist")
	}
}

func TestEverySortKeyHasAColumnAndNoColumnAnother(t *testing.T) {
	for _, p := range All() {
		var keys []string
		for _, column := range p.Columns {
			if column.Sort != "" {
				keys = append(keys, column.Sort)
			}
			if column.Sort != "" && !slices.Contains(view.SortKeys(p.View), column.Sort) {
				t.Errorf("%s: the world cannot sort by %q of column %s", p.View, column.Sort, column.Title)
			}
		}
		for _, k := range view.SortKeys(p.View) {
			if k != "" && !slices.Contains(keys, k) {
				t.Errorf("%s: no column for sort key %q", p.View, k)
			}
		}
	}
}

func TestPagesAreWhole(t *testing.T) {
	for _, p := range All() {
		if p.Title == "" || p.Rows == nil || p.ID == nil || p.Mark == nil || p.Enter == nil || p.Crumb == nil || p.Empty == nil {
			t.Errorf("%s misses a function", p.View)
		}
		if (p.Body == nil) == (len(p.Columns) == 0) || (p.Panel == nil) != (p.PanelHeight == 0) {
			t.Errorf("%s has a table and a body, or a panel without a height", p.View)
		}
		for _, mode := range []string{"live", "attached", "recording"} {
			for line := range strings.Lines(p.Empty(&view.Snapshot{Mode: mode, Window: time.Minute})) {
				if w := render.Width(strings.TrimSuffix(line, "\n")); w == 0 || w > 96 {
					t.Errorf("%s, %s: a line of %d cells says that there is nothing: %q", p.View, mode, w, line)
				}
			}
		}
	}
}

// TestTablesFitTheLeastTerminal holds that the columns that are never left out, with blanks between them, leave room at 80x24.
func TestTablesFitTheLeastTerminal(t *testing.T) {
	for _, p := range All() {
		needed := 0 // a blank behind each of them, and one for the mark of the row
		for _, column := range p.Columns {
			if column.Max != 0 && column.Max < column.Min {
				t.Errorf("%s: column %s takes less than it needs", p.View, column.Title)
			}
			title := column.Title
			if column.Sort != "" {
				title += "↓"
			}
			if render.Width(title) > column.Min {
				t.Errorf("%s: the title of column %s does not fit", p.View, column.Title)
			}
			if column.Drop == 0 {
				needed += column.Min + 1
			}
		}
		if needed > render.LeastWidth {
			t.Errorf("%s: %d cells are never left out", p.View, needed)
		}
	}
}

func TestEnterLeadsToWhatIsBehindARow(t *testing.T) {
	within := view.Scope{Service: "before", Client: "before"}
	for _, tt := range []struct {
		from  view.Page
		row   int
		to    view.Page
		scope view.Scope
	}{
		{view.PageServices, 0, view.PageRoutes, view.Scope{Service: "frontend", Client: "before"}},
		{view.PageRoutes, 0, view.PageRequests, view.Scope{Service: "frontend", Route: "GET /orders/{id}", Protocol: "http", Client: "before"}},
		{view.PageRequests, 0, view.PageTrace, view.Scope{Trace: traceID}},
		{view.PageRequests, 4, view.PageRequest, view.Scope{Request: 1<<64 - 1}}, // without a trace
		{view.PageTrace, 1, view.PageRequest, view.Scope{Request: 8}},
		{view.PageFlows, 0, view.PageConns, view.Scope{Service: "before", Client: "frontend", Server: "checkout", Port: 8080}},
		{view.PageConns, 0, view.PageRequests, view.Scope{Conn: 4}},
		{view.PageMap, 0, view.PageRequests, view.Scope{Client: "frontend", Server: "checkout", Protocol: "grpc"}},
		{view.PageProcesses, 0, view.PageRequests, view.Scope{PID: 812}},
		{view.PageDNS, 1, view.PageRequests, view.Scope{DNSName: "gone.example.org."}},
	} {
		p := Of(tt.from)
		to, scope, ok := p.Enter(rich(tt.from), tt.row, within)
		if !ok || to != tt.to || scope != tt.scope {
			t.Errorf("%s, row %d: leads to %s within %+v, %v; want %s within %+v", tt.from, tt.row, to, scope, ok, tt.to, tt.scope)
		}
		for _, nowhere := range []int{-1, 1000} {
			if _, _, ok := p.Enter(rich(tt.from), nowhere, within); ok {
				t.Errorf("%s: row %d leads somewhere", tt.from, nowhere)
			}
		}
	}
	for _, last := range []view.Page{view.PageAgent, view.PageRequest} {
		if _, _, ok := Of(last).Enter(rich(last), 0, within); ok {
			t.Errorf("%s leads somewhere", last)
		}
	}
}

func TestTraceIsNamedByItsID(t *testing.T) {
	if got := tracePage.Crumb(view.Scope{Trace: traceID}); got != traceID {
		t.Errorf("got %q", got)
	}
}

func TestCrumbNamesTheWay(t *testing.T) {
	for want, within := range map[string]view.Scope{
		"":                             {},
		"checkout":                     {Service: "checkout"},
		"checkout > GET /orders/{id}":  {Service: "checkout", Route: "GET /orders/{id}"},
		"curl → frontend > http":       {Client: "curl", Server: "frontend", Protocol: "http"},
		"any → frontend":               {Server: "frontend"},
		"pid 812":                      {PID: 812},
		"connection 4":                 {Conn: 4},
		"example.org.":                 {DNSName: "example.org."},
		"trace " + traceID:             {Trace: traceID},
		"request 18446744073709551615": {Request: 1<<64 - 1},
	} {
		for _, p := range []*Page{servicesPage, routesPage, requestsPage, flowsPage, connsPage} {
			if got := p.Crumb(within); got != want {
				t.Errorf("%s: got %q, want %q", p.View, got, want)
			}
		}
	}
}

func TestRowsKeepTheirIDWhereverTheyAre(t *testing.T) {
	for _, p := range All() {
		s := rich(p.View)
		seen := map[string]bool{}
		for row := range p.Rows(s) {
			id := p.ID(s, row)
			if id == "" || seen[id] {
				t.Errorf("%s: row %d has the id %q, which is empty or another's", p.View, row, id)
			}
			seen[id] = true
		}
	}
}

func TestEdgesOfAClientStandTogether(t *testing.T) {
	s := &view.Snapshot{Edges: []view.Edge{
		{Client: "a", Server: "1"}, {Client: "b", Server: "2"}, {Client: "a", Server: "3"}, {Client: "c", Server: "4"}, {Client: "b", Server: "5"}, {Client: "a", Server: "6"},
	}}
	mapPage.Arrange(s)
	got := ""
	for row, e := range s.Edges {
		c := render.NewCanvas(4, 1)
		edgeBranch(c, s, row)
		got += e.Client + c.String()[:len(c.String())-1] + e.Server + "\n"
	}
	want := "a─┬─>1\na ├─>3\na └─>6\nb─┬─>2\nb └─>5\nc───>4\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestMeaningNeedsNoColour draws what matters and compares the text with that of what does not.
func TestMeaningNeedsNoColour(t *testing.T) {
	fine := view.Request{ID: 1, Time: noon, Outcome: "ok", Duration: time.Millisecond, Protocol: "http"}
	failed, slow, incomplete := fine, fine, fine
	failed.Outcome, slow.Slow, incomplete.Outcome = "error", true, "incomplete"
	incomplete.EndUnseen = true
	seen := map[string]string{}
	for name, r := range map[string]view.Request{"fine": fine, "failed": failed, "slow": slow, "incomplete": incomplete} {
		text := screen(requestsPage, &view.Snapshot{Requests: []view.Request{r}}, 80, 12, -1).String()
		if other, ok := seen[text]; ok {
			t.Errorf("%s and %s read the same", name, other)
		}
		seen[text] = name
	}
}

func TestUnknownIsNeverZero(t *testing.T) {
	s := &view.Snapshot{
		Services: []view.Service{{Name: "idle"}}, Flows: []view.FlowGroup{{Client: "a", Server: "b", Transport: "udp", View: "socket"}},
		Conns: []view.Conn{{ID: 1, Transport: "udp"}},
	}
	for _, tt := range []struct {
		page    *Page
		columns []string
	}{
		{servicesPage, []string{"ERR", "P50", "P95", "P99", "OUT ERR", "COST/req", "COST", "PROTO"}},
		{flowsPage, []string{"RTT", "RETRANS", "PACKETS"}},
		{connsPage, []string{"AGE", "RTT", "RETRANS", "PACKETS", "STATE", "ROLE"}},
	} {
		for _, column := range tt.page.Columns {
			if !slices.Contains(tt.columns, column.Title) {
				continue
			}
			c := render.NewCanvas(column.Min, 1)
			column.Cell(c, s, 0)
			if got := strings.TrimSpace(c.String()); got != render.Unknown {
				t.Errorf("%s, %s: got %q", tt.page.View, column.Title, got)
			}
			x := 0
			if column.Right {
				x = column.Min - 1
			}
			if got := c.At(x, 0).Style; got != render.Dim {
				t.Errorf("%s, %s: what is not known has style %d", tt.page.View, column.Title, got)
			}
		}
	}
}

func TestEmptyPageSaysWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		page *Page
		s    view.Snapshot
		want string
	}{
		{requestsPage, view.Snapshot{}, "try: curl"},
		{requestsPage, view.Snapshot{Window: 5 * time.Minute}, "in the last 5m"},
		{requestsPage, view.Snapshot{Overview: view.Overview{Requests: 3}}, "Take the filter away (/)"},
		{requestsPage, view.Snapshot{Overview: view.Overview{Flows: 3}}, "Connections are open"},
		{requestsPage, view.Snapshot{Mode: "recording"}, "before this position"},
		{servicesPage, view.Snapshot{Mode: "capture"}, "Play on (p)"},
		{flowsPage, view.Snapshot{Mode: "capture"}, "Play on (p)"},
		{dnsPage, view.Snapshot{Playback: &view.Playback{}}, "Play on (p)"},
		{processesPage, view.Snapshot{Mode: "capture"}, "no processes"},
		{agentPage, view.Snapshot{Mode: "recording"}, "no agent"},
	} {
		if got := tt.page.Empty(&tt.s); !strings.Contains(got, tt.want) {
			t.Errorf("%s, %+v: %q does not say %q", tt.page.View, tt.s, got, tt.want)
		}
	}
}

func TestBodyOfNothingSaysWhy(t *testing.T) {
	for page, want := range map[*Page]string{agentPage: "has not told of itself", requestPage: "not kept any more"} {
		for _, s := range []*view.Snapshot{nil, {}} {
			c := render.NewCanvas(120, 10)
			if lines := page.Body(c, s, 0); lines == 0 || !strings.Contains(c.String(), want) {
				t.Errorf("%s: %d lines:\n%s", page.View, lines, c)
			}
		}
	}
}

func TestPanelSaysWhatTimeItsNumbersAreOf(t *testing.T) {
	for _, tt := range []struct {
		window, covered time.Duration
		want            string
	}{
		{time.Minute, time.Minute, "1m"}, {5 * time.Minute, 90 * time.Second, "1m30s"}, {5 * time.Minute, 0, "5m"},
		{10 * time.Second, time.Minute, "10s"}, {0, 0, "1m"}, {0, 7 * time.Second, "7s"},
	} {
		if got := covered(&view.Snapshot{Window: tt.window, Covered: tt.covered}); got != tt.want {
			t.Errorf("%s covered of %s: got %s, want %s", tt.covered, tt.window, got, tt.want)
		}
	}
}

func TestLongTextIsFoldedAndCut(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 10_000), strings.Repeat("twelve chars ", 1000), strings.Repeat("目录服务 ", 1000)} {
		k := stack{width: 20}
		if lines := k.fold(text, 5, render.Text); lines != foldLimit || k.height() != foldLimit {
			t.Errorf("%.20q takes %d lines, want %d", text, k.height(), foldLimit)
		}
		c := render.NewCanvas(20, foldLimit)
		k.draw(c)
		if got := c.String(); !strings.HasSuffix(got, "…\n") {
			t.Errorf("nothing says that there is more of %.20q:\n%s", text, got)
		}
	}
}

func TestLossesAreSaidFirst(t *testing.T) {
	none := &view.Snapshot{Agent: &view.Agent{Losses: []view.Count{{Name: "ring"}, {Name: "queue"}}}}
	if got := screen(agentPage, none, 80, 30, 0).String(); !strings.Contains(got, "nothing lost") || strings.Contains(got, render.FailedMark) {
		t.Errorf("nothing was lost, and it says\n%s", got)
	}
	some := &view.Snapshot{Agent: &view.Agent{Losses: []view.Count{{Name: "queue"}, {Name: "ring", Count: 3}}}}
	got := screen(agentPage, some, 80, 30, 0).String()
	if strings.Contains(got, "nothing lost") || !strings.Contains(got, "! ring") || strings.Index(got, "ring") > strings.Index(got, "queue") {
		t.Errorf("records were lost, and it says\n%s", got)
	}
}

func TestBodiesScroll(t *testing.T) {
	for _, p := range []*Page{agentPage, requestPage} {
		for _, w := range []int{80, 140} {
			s := rich(p.View)
			whole := render.NewCanvas(w, 200)
			lines := p.Body(whole, s, 0)
			want := strings.Split(whole.String(), "\n")
			for top := range lines + 3 {
				part := render.NewCanvas(w, 5)
				if got := p.Body(part, s, top); got != lines {
					t.Fatalf("%s: %d lines from line %d on, %d from the first", p.View, got, top, lines)
				}
				for y, got := range strings.Split(strings.TrimSuffix(part.String(), "\n"), "\n") {
					if top+y < lines && got != want[top+y] {
						t.Errorf("%s: line %d seen from line %d is %q, want %q", p.View, top+y, top, got, want[top+y])
					}
				}
			}
		}
	}
}
