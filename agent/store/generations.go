// SPDX-License-Identifier: Apache-2.0

package store

// perGeneration bounds each generation: there are two, of which the older is dropped when the newer is full.
const perGeneration = 4096

// generations is a map that forgets. It is for what one end of an exchange leaves for the other, which comes within the time on
// the way. The zero value is empty and ready.
type generations[K comparable, V any] struct{ young, old map[K]V }

func (g *generations[K, V]) put(k K, v V) {
	if len(g.young) >= perGeneration {
		g.young, g.old = nil, g.young
	}
	if g.young == nil {
		g.young = map[K]V{}
	}
	g.young[k] = v
}

func (g *generations[K, V]) get(k K) (V, bool) {
	v, known := g.young[k]
	if !known {
		v, known = g.old[k]
	}
	return v, known
}

// take is get, and forgets.
func (g *generations[K, V]) take(k K) (V, bool) {
	v, known := g.get(k)
	if known {
		delete(g.young, k)
		delete(g.old, k)
	}
	return v, known
}
