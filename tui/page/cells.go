// SPDX-License-Identifier: Apache-2.0

package page

import (
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

// draw is the Cell of a Column.
type draw = func(c *render.Canvas, s *view.Snapshot, row int)

// table is a page's rows as the builders of cells need them: T is what a row shows.
type table[T any] func(s *view.Snapshot) []T

// at returns the row, nil where there is none.
func (t table[T]) at(s *view.Snapshot, row int) *T {
	if s == nil {
		return nil
	}
	if rows := t(s); row >= 0 && row < len(rows) {
		return &rows[row]
	}
	return nil
}

func (t table[T]) count(s *view.Snapshot) int {
	if s == nil {
		return 0
	}
	return len(t(s))
}

// cell draws with what f makes of a row, and nothing where there is none.
func (t table[T]) cell(f func(c *render.Canvas, r *T)) draw {
	return func(c *render.Canvas, s *view.Snapshot, row int) {
		if r := t.at(s, row); r != nil {
			f(c, r)
		}
	}
}

// text is a cell with words, at the left.
func (t table[T]) text(f func(r *T) string, style render.Style) draw {
	return t.cell(func(c *render.Canvas, r *T) {
		left(c, f(r), style)
	})
}

// number is a cell with a quantity, at the right.
func (t table[T]) number(f func(r *T) string) draw {
	return t.cell(func(c *render.Canvas, r *T) { number(c, f(r), render.Text) })
}

// columns of a RED. They differ in where it is.
func (t table[T]) rate(red func(*T) *view.RED) draw {
	return t.number(func(r *T) string { return render.Rate(red(r).Rate) })
}

func (t table[T]) errors(red func(*T) *view.RED) draw {
	return t.cell(func(c *render.Canvas, r *T) { errorShare(c, red(r)) })
}

func (t table[T]) quantile(red func(*T) *view.RED, of func(*view.RED) time.Duration) draw {
	return t.number(func(r *T) string { return quantile(of(red(r))) })
}

func (t table[T]) spark(red func(*T) *view.RED) draw {
	return t.cell(func(c *render.Canvas, r *T) { render.Spark(c, 0, 0, c.W, red(r).Spark, red(r).SparkErr) })
}

func p50(r *view.RED) time.Duration  { return r.P50 }
func p95(r *view.RED) time.Duration  { return r.P95 }
func p99(r *view.RED) time.Duration  { return r.P99 }
func most(r *view.RED) time.Duration { return r.Max }

// left draws words; what is empty is not known.
func left(c *render.Canvas, s string, style render.Style) {
	if s == "" || s == render.Unknown {
		s, style = render.Unknown, render.Dim
	}
	render.Left(c, s, style)
}

// number draws a quantity. What is not known, and a measured nothing, are what the eye may skip.
func number(c *render.Canvas, s string, style render.Style) {
	switch s {
	case render.Unknown, "0", "0.0 ", "0.0%", "0B":
		style = render.Dim
	}
	render.Right(c, s, style)
}

// errorsMin and errorsMax are the widths of a cell with errors: the share, and the number beside it where it is small.
const (
	errorsMin = render.PercentWidth
	errorsMax = render.PercentWidth + 5
)

// errorShare draws the share of errors, and how many they are where there is room and they are few.
func errorShare(c *render.Canvas, r *view.RED) {
	share := render.Percent(r.Errors, r.Count)
	style := render.Text
	if r.Errors > 0 {
		style = max(health(r), render.Warn)
	}
	if c.W < errorsMax {
		number(c, share, style)
		return
	}
	number(c.Part(0, 0, errorsMin, 1), share, style)
	if r.Errors > 0 && r.Errors < 1000 {
		render.Right(c.Part(errorsMin, 0, c.W-errorsMin, 1), render.Count(r.Errors), style)
	}
}

// health is the style of a row with requests: Bad when a tenth of them failed, Warn when one in a hundred did.
func health(r *view.RED) render.Style {
	switch share := float64(r.Errors) / float64(max(r.Count, 1)); {
	case share >= 0.1:
		return render.Bad
	case share >= 0.01:
		return render.Warn
	}
	return render.Text
}

// quantile is the text of a duration whose 0 says that there were none.
func quantile(d time.Duration) string {
	if d <= 0 {
		return render.Unknown
	}
	return render.Duration(d)
}

// known is the text of a number whose 0 says that it was not measured.
func known(n uint64) string {
	if n == 0 {
		return render.Unknown
	}
	return render.Count(n)
}

// encryption draws whether bytes are readable on their way; that is not known before the first of them.
func encryption(c *render.Canvas, kind string) {
	switch kind {
	case "none":
		render.Left(c, "PLAIN", render.Warn)
	case "":
		render.Left(c, "?", render.Dim)
	default:
		render.Left(c, kind, render.Text)
	}
}
