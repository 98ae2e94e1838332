// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"math/rand/v2"
	"testing"

	"sonde/agent/model"
)

// pieces cuts what a script feeds into pieces of the sizes that next gives.
func pieces(script []act, next func() int) []act {
	var out []act
	for _, a := range script {
		if a.what != 'f' {
			out = append(out, a)
			continue
		}
		for p := a.bytes; len(p) > 0; {
			n := min(max(1, next()), len(p))
			a.bytes, p = p[:n], p[n:]
			out = append(out, a)
		}
	}
	return out
}

// timeless is what does not depend on how the bytes were cut.
func timeless(got []model.Request) string {
	for i := range got {
		got[i].Start, got[i].RequestEnd, got[i].ResponseStart, got[i].End = 0, 0, 0, 0
	}
	return lines(got)
}

func size(script []act) (n int) {
	for _, a := range script {
		n += len(a.bytes)
	}
	return n
}

func hasGap(script []act) bool {
	for _, a := range script {
		if a.what == 's' {
			return true
		}
	}
	return false
}

// TestAnySplitGivesTheSameRequests plays every row of the tables in pieces. Rows with gaps are left out: there the end of
// a segment has a meaning.
func TestAnySplitGivesTheSameRequests(t *testing.T) {
	for _, x := range allExchanges() {
		if hasGap(x.script) {
			continue
		}
		seeds := uint64(20)
		if size(x.script) > 1<<16 {
			seeds = 1
		}
		want := timeless(play(x.script))
		check := func(how string, script []act) {
			if got := timeless(play(script)); got != want {
				t.Errorf("%s, %s: got\n%swant\n%s", x.name, how, got, want)
			}
		}
		check("byte by byte", pieces(x.script, func() int { return 1 }))
		for seed := range seeds {
			r := rand.New(rand.NewPCG(seed, 0))
			check("at random", pieces(x.script, func() int { return 1 + r.IntN(1+r.IntN(60)) }))
		}
		for i, a := range x.script {
			if a.what == 'f' && len(a.bytes) < 1000 {
				for at := 1; at < len(a.bytes); at++ {
					two := append([]act(nil), x.script[:i+1]...)
					two[i].bytes = a.bytes[:at]
					rest := a
					rest.bytes = a.bytes[at:]
					check("in two", append(append(two, rest), x.script[i+1:]...))
				}
			}
		}
	}
}
