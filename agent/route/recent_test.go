// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestRememberedPathsMatchAsOthersDo holds a tree that remembers against one that never does, over paths that come again while
// the tree learns, folds and shrinks.
func TestRememberedPathsMatchAsOthersDo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	with, without := tree{maxTemplates: 40, maxChildren: 8}, tree{maxTemplates: 40, maxChildren: 8}
	hits := 0
	for i := range 20_000 {
		if i%500 == 0 { // what was learnt is folded to {*} soon
			with, without = tree{maxTemplates: 40, maxChildren: 8}, tree{maxTemplates: 40, maxChildren: 8}
		}
		path := fmt.Sprintf("/%c/%c%d/%c", 'a'+random.IntN(4), 'a'+random.IntN(1+i%500/40), random.IntN(2), 'a'+random.IntN(2))
		if random.IntN(50) == 0 {
			path += "/deep/below/all/that/is/kept/of/a/path/whose/length/is/over/the/limit"
		}
		without.recent = [recentPaths]match{}
		got, want := with.find(path), without.find(path)
		if got != want {
			t.Fatalf("path %d, %s: %q, want %q", i, path, got, want)
		}
		if got != "" {
			hits++
			continue
		}
		if got, want := with.learn(path), without.learn(path); got != want {
			t.Fatalf("path %d, %s: learnt %q, want %q", i, path, got, want)
		}
	}
	if a, b := count(&with.root), count(&without.root); a != b || hits < 5_000 {
		t.Errorf("%d hits counted, want %d; %d paths were known", a, b, hits)
	}
}

// count adds up the hits of a branch.
func count(n *node) uint64 {
	sum := n.hits
	n.each(func(c *node) { sum += count(c) })
	return sum
}

func BenchmarkFind(b *testing.B) {
	for _, path := range []string{"/bytes/1024", "/api/v1/users/4711/orders/0190c3a2-77aa-7def-8abc-0123456789ab"} {
		b.Run(path, func(b *testing.B) {
			s := tree{maxTemplates: 200, maxChildren: 50}
			s.learn(path)
			for b.Loop() {
				s.find(path)
			}
		})
	}
}
