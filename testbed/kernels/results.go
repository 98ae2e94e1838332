// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"maps"
	"slices"
	"strings"
	"time"

	"sonde/testbed/kernels/report"
)

// State is the colour of a cell.
type State string

// The colours: Green held, Red did not, Grey was not tried because the kernel lacks something.
const (
	Green State = "green"
	Red   State = "red"
	Grey  State = "grey"
)

// Cell is what one test said on one kernel.
type Cell struct {
	State State
	Why   string // of Red, the log of the test; of Grey, what the kernel lacks
}

// Row is the cells of a flavour of hooks by column; the row of "" holds what does not depend on the flavour.
type Row map[string]Cell

// Result is a run on one kernel.
type Result struct {
	Kernel    Kernel
	Release   string
	Took      time.Duration // of this machine's time
	Rows      map[string]Row
	Order     []string          // of the rows, as they came
	Artifacts map[string]string // texts of the guest, by name
	Err       error             // of the machine itself
	Partial   bool              // not all tests were asked for
	Complain  []string          // lines in which the kernel says that something is wrong with it

	logs    map[string]*strings.Builder
	partial string // a line of output that is not whole yet
}

// Fails reports whether anything is red.
func (r *Result) Fails() bool {
	if r.Err != nil || len(r.Complain) > 0 {
		return true
	}
	for _, row := range r.Rows {
		for _, c := range row {
			if c.State == Red {
				return true
			}
		}
	}
	return false
}

func newResult(im *Image) *Result {
	return &Result{
		Kernel: im.Kernel, Release: im.Release, Rows: map[string]Row{}, Artifacts: map[string]string{},
		logs: map[string]*strings.Builder{},
	}
}

// flavoured is the test whose subtests are flavours, and theirs columns.
const flavoured = "TestFlavours"

// place returns the row and the column of a test; ok is false for a test that only holds others.
func place(test string) (row, column string, ok bool) {
	parts := strings.Split(test, "/")
	switch {
	case test == "":
		return "", "", false
	case parts[0] != flavoured:
		return "", strings.ToLower(strings.TrimPrefix(parts[0], "Test")), len(parts) == 1
	case len(parts) == 1:
		return "", "flavours", true
	case len(parts) == 2:
		return parts[1], "", true
	}
	return parts[1], parts[2], len(parts) == 3
}

// take adds one event of the tests.
func (r *Result) take(e Event) {
	switch e.Action {
	case "output":
		r.output(e)
	case "pass", "skip", "fail":
		r.end(e)
	}
}

func (r *Result) output(e Event) {
	line := r.partial + e.Output
	if r.partial = ""; !strings.HasSuffix(line, "\n") {
		r.partial = line
		return
	}
	if name, text, ok := report.ParseArtifact(line); ok {
		r.Artifacts[name] += text
		return
	}
	if r.logs[e.Test] == nil {
		r.logs[e.Test] = &strings.Builder{}
	}
	if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(strings.TrimSpace(line), "--- ") {
		r.logs[e.Test].WriteString(line)
	}
}

// end gives the test its colour. A flavour as a whole ("" is its column) is only shown when it did not run to its columns.
func (r *Result) end(e Event) {
	row, column, ok := place(e.Test)
	if !ok {
		return
	}
	state := map[string]State{"pass": Green, "skip": Grey, "fail": Red}[e.Action]
	if r.Rows[row] == nil {
		r.Rows[row] = Row{}
		r.Order = append(r.Order, row)
	}
	r.Rows[row][column] = Cell{State: state, Why: r.why(e.Test, state)}
}

// why is the log of a test and of the parts below it, flavours apart, which speak for themselves; of a grey one only the reason.
func (r *Result) why(test string, state State) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.logs)) {
		if name == test || strings.HasPrefix(name, test+"/") && test != flavoured {
			b.WriteString(r.logs[name].String())
		}
	}
	if state != Grey {
		return b.String()
	}
	_, reason, _ := strings.Cut(strings.TrimSpace(b.String()), ": ") // behind "file_test.go:77"
	return reason
}

// Columns lists the columns of the rows of all results, in the order of their first appearance by name.
func columns(results []*Result, flavoured bool) []string {
	seen := map[string]bool{}
	for _, r := range results {
		for row, cells := range r.Rows {
			for c := range cells {
				if c != "" && (row != "") == flavoured {
					seen[c] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
