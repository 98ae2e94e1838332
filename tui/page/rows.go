// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"

	"sonde/agent/view"
	"sonde/tui/render"
)

// id makes the ID of a page: "" where there is no row.
func (t table[T]) id(f func(r *T) string) func(s *view.Snapshot, row int) string {
	return func(s *view.Snapshot, row int) string {
		if r := t.at(s, row); r != nil {
			return f(r)
		}
		return ""
	}
}

// key joins what tells one row from another. Names hold no NUL.
func key(parts ...string) string { return strings.Join(parts, "\x00") }

// mark makes the Mark of a page.
func (t table[T]) mark(f func(r *T) render.Style) func(s *view.Snapshot, row int) render.Style {
	return func(s *view.Snapshot, row int) render.Style {
		if r := t.at(s, row); r != nil {
			return f(r)
		}
		return render.Text
	}
}

// enter makes the Enter of a page whose rows all lead to the same one. f narrows the scope and says whether there is a way.
func (t table[T]) enter(to view.Page, f func(r *T, to *view.Scope) bool) func(*view.Snapshot, int, view.Scope) (view.Page, view.Scope, bool) {
	return func(s *view.Snapshot, row int, within view.Scope) (view.Page, view.Scope, bool) {
		r := t.at(s, row)
		if r == nil || !f(r, &within) {
			return "", view.Scope{}, false
		}
		return to, within, true
	}
}

// crumb names a scope: "checkout > GET /orders/{id}". All pages use it, so that a step back reads the same.
func crumb(within view.Scope) string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(within.Service)
	add(within.Route)
	if within.Client != "" || within.Server != "" {
		add(orAny(within.Client) + " → " + orAny(within.Server))
	}
	add(within.Protocol)
	if within.PID != 0 {
		add("pid " + number64(uint64(within.PID)))
	}
	if within.Conn != 0 {
		add("connection " + number64(within.Conn))
	}
	add(within.DNSName)
	if within.Trace != "" {
		add("trace " + within.Trace)
	}
	if within.Request != 0 {
		add("request " + number64(within.Request))
	}
	return strings.Join(parts, " > ")
}

func orAny(name string) string {
	if name == "" {
		return "any"
	}
	return name
}
