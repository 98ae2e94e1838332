// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// shown are the words of the colours: a table is read without colours too.
var shown = map[State]string{Green: "ok", Red: "FAIL", Grey: "-", "": ""}

var colours = map[State]string{Green: "\x1b[32m", Red: "\x1b[31;1m", Grey: "\x1b[90m"}

// Print writes the table of all kernels, then why cells are grey, then the logs of those that are red.
func Print(w io.Writer, results []*Result, colour bool) {
	checks, tests := columns(results, false), columns(results, true)
	p := &printer{w: w, colour: colour}
	for _, r := range results {
		fmt.Fprintf(w, "\n%s  %s  %s\n", r.Kernel.Name, r.Release, r.Took.Round(time.Second))
		p.header("", checks)
		p.row(r, "", "every flavour", checks)
		p.header("hooks+tc", tests)
		for _, name := range r.Order {
			if name != "" {
				p.row(r, name, name, tests)
			}
		}
		for _, g := range grey(r) {
			fmt.Fprintf(w, "  - %s\n", g)
		}
	}
	for _, r := range results {
		p.failures(r)
	}
}

type printer struct {
	w      io.Writer
	colour bool
}

const (
	firstWidth = 20
	cellWidth  = 2
)

func (p *printer) header(first string, names []string) {
	if len(names) > 0 {
		fmt.Fprintf(p.w, "  %-*s%s\n", firstWidth, first, strings.Join(names, strings.Repeat(" ", cellWidth)))
	}
}

func (p *printer) row(r *Result, name, label string, names []string) {
	cells, ran := r.Rows[name]
	if !ran || len(names) == 0 {
		return
	}
	fmt.Fprintf(p.w, "  %-*s", firstWidth, label)
	whole := cells[""]
	for _, n := range names {
		c, ran := cells[n]
		if !ran && whole.State != Green {
			c = whole
		}
		text := fmt.Sprintf("%-*s", len(n)+cellWidth, shown[c.State])
		if p.colour && c.State != "" {
			text = colours[c.State] + text + "\x1b[0m"
		}
		fmt.Fprint(p.w, text)
	}
	fmt.Fprintln(p.w)
}

// grey lists what is missing, each once, with the cells that miss it.
func grey(r *Result) (lines []string) {
	var order []string
	who := map[string][]string{}
	for _, row := range r.Order {
		names := make([]string, 0, len(r.Rows[row]))
		for name := range r.Rows[row] {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			c := r.Rows[row][name]
			if c.State != Grey {
				continue
			}
			if who[c.Why] == nil {
				order = append(order, c.Why)
			}
			who[c.Why] = append(who[c.Why], strings.Trim(row+" "+name, " "))
		}
	}
	for _, why := range order {
		lines = append(lines, strings.Join(who[why], ", ")+": "+why)
	}
	return lines
}

func (p *printer) failures(r *Result) {
	if r.Err != nil {
		fmt.Fprintf(p.w, "\n%s: %v\n", r.Kernel.Name, r.Err)
	}
	for _, c := range r.Complain {
		fmt.Fprintf(p.w, "\n%s: the kernel complains: %s\n", r.Kernel.Name, c)
	}
	for _, row := range r.Order {
		for name, c := range r.Rows[row] {
			if c.State == Red && (name != "" || !red(r.Rows[row])) {
				fmt.Fprintf(p.w, "\n%s %s %s\n%s", r.Kernel.Name, row, name, indent(c.Why))
			}
		}
	}
}

// red reports whether a column of the row is red, which says more than the flavour as a whole.
func red(row Row) bool {
	for name, c := range row {
		if name != "" && c.State == Red {
			return true
		}
	}
	return false
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") + "\n"
}
