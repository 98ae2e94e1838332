// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"testing"
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

// styleOf draws a cell of a page and returns the style of its last character that is not blank.
func styleOf(t *testing.T, p *Page, title string, s *view.Snapshot) render.Style {
	t.Helper()
	for _, column := range p.Columns {
		if column.Title != title {
			continue
		}
		c := render.NewCanvas(max(column.Min, 8), 1)
		column.Cell(c, s, 0)
		for x := c.W - 1; x >= 0; x-- {
			if text := c.At(x, 0).Text; text != "" && text != " " {
				return c.At(x, 0).Style
			}
		}
	}
	t.Fatalf("%s: nothing in column %s", p.View, title)
	return 0
}

func TestWhatHurtsLooksLikeIt(t *testing.T) {
	red := func(errors uint64) view.RED {
		return view.RED{Count: 1000, Errors: errors, Rate: 10, P50: time.Millisecond}
	}
	request := func(outcome string, slow bool) *view.Snapshot {
		r := view.Request{ID: 1, Outcome: outcome, Slow: slow, Status: "200", Duration: 1, SRTT: 1, Retrans: 2}
		r.EndUnseen = outcome == "incomplete"
		return &view.Snapshot{Requests: []view.Request{r}}
	}
	flow := &view.Snapshot{Flows: []view.FlowGroup{{Transport: "tcp", View: "socket", Encryption: "none", Retrans: 1, Drops: 1, Failed: 1}}}
	calm := &view.Snapshot{Flows: []view.FlowGroup{{Transport: "tcp", View: "socket", Encryption: "tls", SRTT: 1}}}
	for _, tt := range []struct {
		page  *Page
		title string
		s     *view.Snapshot
		want  render.Style
	}{
		{servicesPage, "ERR", &view.Snapshot{Services: []view.Service{{In: red(0)}}}, render.Dim},
		{servicesPage, "ERR", &view.Snapshot{Services: []view.Service{{In: red(1)}}}, render.Warn},
		{servicesPage, "ERR", &view.Snapshot{Services: []view.Service{{In: red(100)}}}, render.Bad},
		{servicesPage, "P50", &view.Snapshot{Services: []view.Service{{In: red(0)}}}, render.Text},
		{requestsPage, "STATUS", request("ok", false), render.Text},
		{requestsPage, "STATUS", request("error", true), render.Bad},
		{requestsPage, "DURATION", request("ok", true), render.Warn},
		{requestsPage, "DURATION", request("incomplete", false), render.Dim},
		{tracePage, "RETRANS", request("ok", false), render.Warn},
		{flowsPage, "ENC", flow, render.Warn},
		{flowsPage, "ENC", calm, render.Text},
		{flowsPage, "RETRANS", flow, render.Warn},
		{flowsPage, "RETRANS", calm, render.Dim},
		{flowsPage, "DROPS", flow, render.Bad},
		{flowsPage, "FAILED", flow, render.Bad},
		{flowsPage, "FAILED", calm, render.Dim},
		{connsPage, "STATE", &view.Snapshot{Conns: []view.Conn{{State: "active"}}}, render.Text},
		{connsPage, "STATE", &view.Snapshot{Conns: []view.Conn{{State: "closed", Ended: noon}}}, render.Dim},
		{connsPage, "STATE", &view.Snapshot{Conns: []view.Conn{{State: "reset", Ended: noon}}}, render.Bad},
	} {
		if got := styleOf(t, tt.page, tt.title, tt.s); got != tt.want {
			t.Errorf("%s, %s of %+v: style %d, want %d", tt.page.View, tt.title, tt.s, got, tt.want)
		}
	}
}

func TestRowsThatHurtAreMarked(t *testing.T) {
	for _, tt := range []struct {
		page *Page
		s    *view.Snapshot
		want render.Style
	}{
		{servicesPage, &view.Snapshot{Services: []view.Service{{In: view.RED{Count: 1000, Errors: 9}}}}, render.Text},
		{routesPage, &view.Snapshot{Routes: []view.Route{{RED: view.RED{Count: 1000, Errors: 10}}}}, render.Warn},
		{mapPage, &view.Snapshot{Edges: []view.Edge{{RED: view.RED{Count: 1000, Errors: 99}}}}, render.Warn},
		{dnsPage, &view.Snapshot{DNS: []view.DNS{{RED: view.RED{Count: 1000, Errors: 100}}}}, render.Bad},
		{processesPage, &view.Snapshot{Processes: []view.Process{{In: view.RED{Count: 1, Errors: 1}}}}, render.Bad},
		{tracePage, &view.Snapshot{Requests: []view.Request{{Outcome: "error"}}}, render.Bad},
		{tracePage, &view.Snapshot{Requests: []view.Request{{Outcome: "incomplete", EndUnseen: true}}}, render.Warn},
		{flowsPage, &view.Snapshot{Flows: []view.FlowGroup{{Failed: 1}}}, render.Warn},
		{connsPage, &view.Snapshot{Conns: []view.Conn{{State: "timed_out"}}}, render.Bad},
		{connsPage, &view.Snapshot{Conns: []view.Conn{{State: "active"}}}, render.Text},
	} {
		if got := tt.page.Mark(tt.s, 0); got != tt.want {
			t.Errorf("%s: row %+v has mark %d, want %d", tt.page.View, tt.s, got, tt.want)
		}
		if got := tt.page.Mark(tt.s, 1); got != render.Text {
			t.Errorf("%s: a row that is not there has mark %d", tt.page.View, got)
		}
	}
}

// BenchmarkScreens draws pages with 200 rows into a large terminal, as a refresh does.
func BenchmarkScreens(b *testing.B) {
	for _, p := range All() {
		b.Run(fmt.Sprint(p.View), func(b *testing.B) {
			s := rich(p.View)
			for len(s.Requests) < 200 {
				s.Requests = append(s.Requests, s.Requests...)
			}
			for len(s.Services) < 200 {
				s.Services, s.Routes, s.Edges = append(s.Services, s.Services...), append(s.Routes, s.Routes...), append(s.Edges, s.Edges...)
				s.Flows, s.Conns = append(s.Flows, s.Flows...), append(s.Conns, s.Conns...)
				s.Processes, s.DNS = append(s.Processes, s.Processes...), append(s.DNS, s.DNS...)
			}
			for b.Loop() {
				screen(p, s, 200, 60, 0)
			}
		})
	}
}
