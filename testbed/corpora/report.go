// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// Score is how far sonde and another opinion agree on one protocol.
type Score struct {
	Corpus   string // "zeek", "deepflow"
	Protocol string
	Compared int // messages or requests
	Equal    int
}

// Percent is the share of what is equal; 100 when nothing was compared.
func (s Score) Percent() float64 {
	if s.Compared == 0 {
		return 100
	}
	return 100 * float64(s.Equal) / float64(s.Compared)
}

var (
	scoresMu sync.Mutex
	scores   []Score
)

// Report puts a score into the table and fails the test when less than leastPercent is equal. Safe for concurrent use.
func Report(t testing.TB, s Score, leastPercent float64) {
	t.Helper()
	scoresMu.Lock()
	scores = append(scores, s)
	scoresMu.Unlock()
	if s.Percent() < leastPercent {
		t.Errorf("%s, %s: %d of %d equal, %.2f %%, want %.2f %%", s.Corpus, s.Protocol, s.Equal, s.Compared, s.Percent(), leastPercent)
	}
}

// Table writes the scores reported so far.
func Table(out io.Writer) error {
	scoresMu.Lock()
	defer scoresMu.Unlock()
	slices.SortStableFunc(scores, func(a, b Score) int {
		return cmp.Or(strings.Compare(a.Corpus, b.Corpus), strings.Compare(a.Protocol, b.Protocol))
	})
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "corpus\tprotocol\tcompared\tequal\tpercent")
	for _, s := range scores {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.2f\n", s.Corpus, s.Protocol, s.Compared, s.Equal, s.Percent())
	}
	return w.Flush()
}
