// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strconv"
	"strings"
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

// fact is a line of a panel: what it is, and what it says.
type fact struct {
	label, value string
	style        render.Style
}

// tallPanel is the height of a panel with a histogram: a title, and lines for three decades in steps of 1, 2, 5.
const tallPanel = 11

// factLabel is the width of labels, factWidth what a column of facts wants.
const (
	factLabel = 12
	factWidth = 36
)

// facts draws what is known in as many columns as there is room for; a fact without a value is not drawn.
func facts(c *render.Canvas, all []fact) {
	var known []fact
	for _, f := range all {
		if f.value != "" {
			known = append(known, f)
		}
	}
	if c.H <= 0 || len(known) == 0 {
		return
	}
	columns := min(max(c.W/factWidth, 1), (len(known)+c.H-1)/c.H)
	width := c.W / columns
	for i, f := range known {
		x, y := i/c.H*width, i%c.H
		if i/c.H >= columns {
			return
		}
		f.draw(c.Part(x, y, width-1, 1))
	}
}

// draw draws a fact into one line.
func (f fact) draw(c *render.Canvas) {
	render.Left(c.Part(0, 0, factLabel, 1), f.label, render.Dim)
	left(c.Part(factLabel, 0, c.W-factLabel, 1), f.value, f.style)
}

// panel draws a title over facts at the left and a histogram at the right, or facts alone where there are no durations.
func panel(c *render.Canvas, title string, all []fact, red *view.RED, marks ...render.Mark) {
	render.Left(c, title, render.Title)
	body := c.Part(0, 1, c.W, c.H-1)
	if red == nil || len(red.Histogram) == 0 {
		facts(body, all)
		return
	}
	split := min(factWidth, c.W/2)
	if len(all) == 0 {
		split = 0
	}
	facts(body.Part(0, 0, split, body.H), all)
	histogram(body.Part(split, 0, c.W-split, body.H), red, marks...)
}

// besideFacts is what two columns of facts take that hold a trace id whole, besideWidth what they need with a histogram.
const (
	besideFacts = 2 * (factLabel + 32 + 1)
	besideWidth = besideFacts + 46
)

// factsBeside draws facts of a request, and where it lies among all requests of the page where there is room for that.
func factsBeside(c *render.Canvas, all []fact, of *view.RED, r *view.Request) {
	if c.W < besideWidth || of == nil || len(of.Histogram) == 0 {
		facts(c, all)
		return
	}
	facts(c.Part(0, 0, besideFacts, c.H), all)
	histogram(c.Part(besideFacts, 0, c.W-besideFacts, c.H), of, placeOf(r)...)
}

// placeOf marks the duration of a request whose end was seen.
func placeOf(r *view.Request) []render.Mark {
	if r.EndUnseen {
		return nil
	}
	return []render.Mark{{Label: "this", At: r.Duration}}
}

// histogram draws the durations of red with its quantiles and further marks.
func histogram(c *render.Canvas, red *view.RED, marks ...render.Mark) {
	marks = append([]render.Mark{{Label: "p50", At: red.P50}, {Label: "p95", At: red.P95}, {Label: "p99", At: red.P99}}, marks...)
	render.Histogram(c, buckets(red), marks)
}

func buckets(red *view.RED) []render.Bucket {
	all := make([]render.Bucket, len(red.Histogram))
	for i, b := range red.Histogram {
		all[i] = render.Bucket(b)
	}
	return all
}

// redFacts are the key numbers of requests.
func redFacts(r *view.RED, s *view.Snapshot) []fact {
	incomplete := ""
	if r.Incomplete > 0 {
		incomplete = render.Count(r.Incomplete) + " without an end"
	}
	errs, style := render.Count(r.Errors)+" ("+render.Percent(r.Errors, r.Count)+")", render.Text
	switch {
	case r.Count == 0:
		errs = render.Unknown
	case r.Errors > 0:
		style = max(health(r), render.Warn)
	}
	return []fact{
		{label: "requests", value: render.Count(r.Count) + " in " + covered(s)},
		{label: "errors", value: errs, style: style},
		{label: "p50 / p95", value: quantile(r.P50) + " / " + quantile(r.P95)},
		{label: "p99 / max", value: quantile(r.P99) + " / " + quantile(r.Max)},
		{label: "incomplete", value: incomplete, style: render.Warn},
	}
}

// covered is the time that the rows of s stand for: "1m".
func covered(s *view.Snapshot) string {
	d := s.Covered
	if d <= 0 || d > s.Window && s.Window > 0 {
		d = s.Window
	}
	return span(d)
}

// span writes a window: "10s", "1m", "1m30s".
func span(d time.Duration) string {
	if d <= 0 {
		d = view.DefaultWindow
	}
	return strings.TrimSuffix(render.Age(d), "00s")
}

// total is the panel of a page without a selected row.
func total(c *render.Canvas, s *view.Snapshot, title string) {
	if s == nil {
		return
	}
	if s.Total == nil {
		render.Left(c, title, render.Title)
		return
	}
	panel(c, title, redFacts(s.Total, s), s.Total)
}

// joined writes a list, "-" for none.
func joined(list []string) string {
	if len(list) == 0 {
		return render.Unknown
	}
	return strings.Join(list, ",")
}

// number64 writes an identifier.
func number64(n uint64) string { return strconv.FormatUint(n, 10) }
