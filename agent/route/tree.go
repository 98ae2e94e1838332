// SPDX-License-Identifier: Apache-2.0

package route

import (
	"cmp"
	"slices"
	"strings"
)

// Placeholders of a template.
const (
	idSegment  = "{id}"
	anySegment = "{*}"
)

// maxDepth is the number of segments that a template has at most; what is below is one {*}.
const maxDepth = 8

// tree holds the templates of one service by their segments.
type tree struct {
	maxTemplates, maxChildren int

	root      node
	templates int
	changes   uint64 // of what a path may match
	recent    [recentPaths]match
}

// recentPaths is the number of paths whose way through the tree is remembered: what is asked for most is asked for again.
const recentPaths = 32

// match is the way that a path took. The hits on it count whether or not it is remembered.
type match struct {
	text    [maxRecent]byte
	length  int
	changes uint64 // of the tree at that time
	route   string // "" where nothing is remembered
	way     [maxDepth]*node
	depth   int
}

// maxRecent is the length in bytes of paths that are remembered, as a copy: they may be slices of larger buffers.
const maxRecent = 64

// place is where the way of a path is remembered. Paths differ at their end.
func place(path string) int {
	n := len(path)
	h := uint(n)
	for i := max(0, n-4); i < n; i++ {
		h = h*31 + uint(path[i])
	}
	return int(h % recentPaths)
}

// node is a segment below its parent. Every node without children ends a template.
type node struct {
	segment  string
	children []*node // by segment, ascending; literal ones only
	id, any  *node   // nil where there is none; with any, no more literal ones are learnt
	route    string  // of the template that ends here, "" when none does
	hits     uint64  // requests that came this way
}

// child returns the node for a segment, nil when it is not known.
func (n *node) child(segment string) *node {
	if i, ok := n.search(segment); ok {
		return n.children[i]
	}
	if n.id != nil && isID(segment) {
		return n.id
	}
	return n.any
}

// search is slices.BinarySearchFunc without calls.
func (n *node) search(segment string) (int, bool) {
	low, high := 0, len(n.children)
	for low < high {
		middle := (low + high) / 2
		if n.children[middle].segment < segment {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(n.children) && n.children[low].segment == segment
}

// next cuts the first segment of a path, without the parameters that RFC 3986 3.3 allows behind a ";". Empty segments count
// for nothing: servers differ in what they make of them.
func next(path string) (segment, rest string) {
	from := 0
	for from < len(path) && path[from] == '/' {
		from++
	}
	end, parameters := from, -1
	for ; end < len(path) && path[end] != '/'; end++ {
		if path[end] == ';' && parameters < 0 {
			parameters = end
		}
	}
	if parameters < 0 {
		parameters = end
	}
	return path[from:parameters], path[end:]
}

// find returns the template of a path that is known, "" otherwise.
func (t *tree) find(path string) string {
	if len(path) > maxRecent {
		return t.walk(path, &match{})
	}
	m := &t.recent[place(path)]
	if m.route != "" && m.changes == t.changes && string(m.text[:m.length]) == path {
		for _, n := range m.way[:m.depth] {
			n.hits++
		}
		return m.route
	}
	m.depth, m.length, m.changes = 0, copy(m.text[:], path), t.changes
	m.route = t.walk(path, m)
	return m.route
}

// walk goes down the tree, counts and notes the way.
func (t *tree) walk(path string, m *match) string {
	n := &t.root
	for depth := 0; ; depth++ {
		segment, rest := next(path)
		if segment == "" && rest == "" {
			break
		}
		if depth == maxDepth {
			if n = n.any; n == nil {
				return ""
			}
			break
		}
		path = rest
		if segment == "" {
			depth--
			continue
		}
		if n = n.child(segment); n == nil {
			return ""
		}
		n.hits++
		m.way[m.depth] = n
		m.depth++
	}
	return n.route
}

// learn adds the template of a path that find does not know.
func (t *tree) learn(path string) string {
	t.changes++
	for t.templates >= t.maxTemplates {
		t.shrink()
	}
	n, text := &t.root, ""
	for depth := 0; ; depth++ {
		segment, rest := next(path)
		if segment == "" && rest == "" {
			break
		}
		path = rest
		if depth == maxDepth {
			n, path = t.below(n), ""
		} else if segment != "" {
			n = t.add(n, segment)
		} else {
			depth--
			continue
		}
		text += "/" + n.segment
	}
	if n.route == "" { // shrinking may have made the path known
		n.route = cmp.Or(text, "/")
		t.templates++
	}
	return n.route
}

// add returns the child of n for a segment and makes it if there is none.
func (t *tree) add(n *node, segment string) *node {
	if c := n.child(segment); c != nil {
		return c
	}
	if isID(segment) {
		n.id = &node{segment: idSegment, hits: 1}
		return n.id
	}
	if len(n.children) >= t.maxChildren {
		t.fold(n)
		return n.any
	}
	i, _ := n.search(segment)
	c := &node{segment: strings.Clone(segment), hits: 1}
	n.children = slices.Insert(n.children, i, c)
	return c
}

// below returns the node for everything below the deepest level.
func (t *tree) below(n *node) *node {
	if n.any == nil {
		n.any = &node{segment: anySegment, hits: 1}
	}
	return n.any
}

// fold makes {*} of the children of n, but for a quarter of the limit at most: those that most requests asked for. The second time it
// spares none. The new branch is learnt anew.
func (t *tree) fold(n *node) {
	keep := t.maxChildren / 4
	if n.any != nil {
		keep = 0
	}
	byHits := slices.Clone(n.children)
	slices.SortStableFunc(byHits, func(a, b *node) int { return cmp.Compare(b.hits, a.hits) })
	gone := map[*node]bool{}
	for i, c := range byHits {
		if i >= keep || c.hits < farMore*byHits[len(byHits)/2].hits {
			gone[c] = true
		}
	}
	n.children = slices.DeleteFunc(n.children, func(c *node) bool {
		if gone[c] {
			t.drop(c)
		}
		return gone[c]
	})
	if keep == 0 && n.id != nil {
		t.drop(n.id)
		n.id = nil
	}
	t.below(n)
}

// farMore is how often a literal segment must be asked for, against the median of its siblings, to outlive their folding: the
// words of an API are, the names of users are not.
const farMore = 4

// drop forgets the templates of a branch.
func (t *tree) drop(n *node) {
	if n.route != "" {
		t.templates--
	}
	n.each(t.drop)
}

// each calls f for the children in their order.
func (n *node) each(f func(*node)) {
	for _, c := range n.children {
		f(c)
	}
	if n.id != nil {
		f(n.id)
	}
	if n.any != nil {
		f(n.any)
	}
}

// shrink folds the node with the most children, the deeper of equals. The root comes last: folding it mixes up whole APIs.
func (t *tree) shrink() {
	var widest *node
	most, deepest := 1, 0
	var visit func(n *node, depth int)
	visit = func(n *node, depth int) {
		width := 0
		n.each(func(c *node) {
			width++
			visit(c, depth+1)
		})
		if n != &t.root && (width > most || width == most && width > 1 && depth > deepest) {
			widest, most, deepest = n, width, depth
		}
	}
	visit(&t.root, 0)
	if widest == nil {
		widest = &t.root
	}
	t.fold(widest)
}
