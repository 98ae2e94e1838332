// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sonde/testbed/apps/shop"
	"sonde/testbed/e2e/harness"
)

// span is one end of a call of the shop, as any output of sonde tells of it.
type span struct {
	call               string // as shop.Name makes it
	role               string // "client" or "server"
	trace, id          string
	parent, evidence   string
	failed, incomplete bool
}

// verdicts counts, for one kind of edge, what became of the parents.
type verdicts struct{ right, wrong, none int }

// edges are the verdicts by kind: the language of the client that made a call, or "wire" for a server's span, whose parent is
// at the other end of its connection.
type edges map[string]*verdicts

func (e edges) count(kind string, fill func(*verdicts)) {
	if e[kind] == nil {
		e[kind] = &verdicts{}
	}
	fill(e[kind])
}

// String is a table, a line for each kind.
func (e edges) String() string {
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(e)) {
		v := e[kind]
		fmt.Fprintf(&b, "  %-36s right %5d  none %5d  wrong %3d  share %5.1f %%\n", kind, v.right, v.none, v.wrong,
			100*float64(v.right)/float64(max(1, v.right+v.wrong+v.none)))
	}
	return b.String()
}

// share is the part of the edges of these kinds that have their parent; kinds are prefixes.
func (e edges) share(kinds ...string) float64 {
	var right, all int
	for kind, v := range e {
		if slices.ContainsFunc(kinds, func(prefix string) bool { return strings.HasPrefix(kind, prefix) }) {
			right, all = right+v.right, all+v.right+v.wrong+v.none
		}
	}
	return float64(right) / float64(max(1, all))
}

// judge holds the parents of spans against what the shop says. It fails the test at a wrong one, and where an end of a call is
// missing or is there twice.
func judge(t *testing.T, spans []span, first, orders int) edges {
	t.Helper()
	byID, ends := map[string]span{}, map[[2]string]int{}
	for _, s := range spans {
		if s.id != "" {
			byID[s.id] = s
		}
		ends[[2]string{s.call, s.role}]++
	}
	calls, miscounted := callsOf(first, orders), 0
	for name := range calls {
		for _, role := range []string{"client", "server"} {
			if got := ends[[2]string{name, role}]; got != 1 {
				if miscounted++; miscounted <= 10 {
					t.Errorf("%s of %q: reported %d times", role, name, got)
				}
			}
		}
	}
	if miscounted > 10 {
		t.Errorf("%d ends of %d not reported once", miscounted, 2*len(calls))
	}
	result, shown := edges{}, 0
	for _, s := range spans {
		c, known := calls[s.call]
		if !known {
			continue
		}
		kind, want := shop.Language(c.From, c.Protocol), [2]string{c.Parent, "server"}
		if s.role == "server" {
			kind, want = "wire, at "+c.To, [2]string{c.Name, "client"}
		}
		if wrong := verdict(result, kind, s, byID, want); wrong != "" {
			if shown++; shown <= 10 {
				t.Error(wrong)
			}
		}
	}
	if shown > 10 {
		t.Errorf("%d wrong parents in all", shown)
	}
	return result
}

// atLeast fails the test where a smaller part of the edges of one of the kinds has its parent. What is asked for is less than
// all: a busy machine loses records of who used a socket, and then there is no parent.
func (e edges) atLeast(t *testing.T, part float64, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		if got := e.share(kind); got < part {
			t.Errorf("%s: %.1f %% of the edges have their parent, want %.1f %%", kind, 100*got, 100*part)
		}
	}
}

// callsOf returns what the orders lead to, by name.
func callsOf(first, orders int) map[string]shop.Call {
	calls := map[string]shop.Call{}
	for n := range orders {
		for _, c := range shop.Calls(first + n) {
			calls[c.Name] = c
		}
	}
	return calls
}

// verdict counts one edge and tells what is wrong with it. Where no parent is wanted, only a wrong one counts.
func verdict(result edges, kind string, s span, byID map[string]span, want [2]string) string {
	p, found := byID[s.parent]
	switch {
	case want[0] == "" && s.parent == "":
		return ""
	case s.parent == "":
		result.count(kind, func(v *verdicts) { v.none++ })
		return ""
	case found && p.call == want[0] && p.role == want[1] && p.trace == s.trace:
		result.count(kind, func(v *verdicts) { v.right++ })
		return ""
	}
	result.count(cmp.Or(kind, "no parent wanted"), func(v *verdicts) { v.wrong++ })
	return fmt.Sprintf("%s of %q has by %q the parent %s of %q (found %v, trace %s), want %s of %q (trace %s)", s.role, s.call, s.evidence,
		p.role, p.call, found, p.trace, want[1], want[0], s.trace)
}

// spansOf takes the ends of the shop's calls from the lines of `sonde observe -o json`.
func spansOf(events []harness.Event) []span {
	var spans []span
	for i := range events {
		e := &events[i]
		if e.Type != "request" {
			continue
		}
		name := shop.Name(func(key string) string {
			switch key {
			case "http.request.method":
				return e.Attributes.Method
			case "url.path":
				return e.Attributes.Path
			}
			return e.Attributes.Text(key)
		})
		if name != "" {
			spans = append(spans, span{
				call: name, role: e.Role, trace: e.TraceID, id: e.SpanID, parent: e.ParentID, evidence: e.Evidence,
				failed: e.Outcome == "error", incomplete: e.Outcome == "incomplete",
			})
		}
	}
	return spans
}

func (l *lab) shop(t *testing.T) *shop.Shop {
	t.Helper()
	s, err := shop.Start(l.Kit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// buy places orders and checks the shop's answers.
func buy(t *testing.T, s *shop.Shop, first, orders, concurrent int) {
	t.Helper()
	want := map[string]int{}
	for n := range orders {
		want[shop.Calls(first + n)[0].Status]++
	}
	got, err := s.Buy(first, orders, concurrent)
	if err != nil || !maps.Equal(got, want) {
		t.Fatalf("the shop answered %v, want %v: %v", got, want, err)
	}
}

// ends is how many spans the orders lead to.
func ends(first, orders int) int {
	n := 0
	for i := range orders {
		n += 2 * len(shop.Calls(first+i))
	}
	return n
}

// floor is the part of the edges that must have their parent once sonde has learned: all of them had in every run, and each that
// has none is a record of a use that was lost, or a sender that the kernel side was not sure of because packets waited for its
// socket (docs/design/0003-causes.md). Anything that is wrong with a kind of program costs more than that.
const floor = 0.99

// TestParentsAreNeverWrong runs the shop without any trace context. The first orders of a run are what sonde learns from how
// the programs use their threads; of them, too, no parent may be wrong.
func TestParentsAreNeverWrong(t *testing.T) {
	l := newLab(t)
	const learning, orders = 100, 300
	first := 1
	for _, concurrent := range []int{1, 20, 200} {
		t.Run(fmt.Sprintf("%d orders at a time", concurrent), func(t *testing.T) {
			s := l.shop(t) // of its own: of what is older than sonde less is known
			ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Ports()...)
			buy(t, s, first, learning, min(concurrent, 20))
			buy(t, s, first+learning, orders, concurrent)
			spans := spansOf(ob.finish(ends(first, learning+orders)))
			t.Logf("edges with a parent, while it learns:\n%s", judge(t, spans, first, learning))
			then := judge(t, spans, first+learning, orders)
			t.Logf("edges with a parent, then:\n%s", then)
			then.atLeast(t, floor, "Go net/http", "Go pgx", "Go grpc-go", "Java", "Python")
			then.atLeast(t, 0.995, "wire, at ")
			first += learning + orders
		})
	}
}

// TestVerdictsOnParents shows that a parent which is not the one that is wanted is called wrong.
func TestVerdictsOnParents(t *testing.T) {
	byID := map[string]span{
		"1": {call: "GET /orders/1", role: "server", trace: "a", id: "1"},
		"2": {call: "GET /orders/2", role: "server", trace: "b", id: "2"},
		"3": {call: "GET /orders/1", role: "client", trace: "a", id: "3"},
	}
	wanted := [2]string{"GET /orders/1", "server"}
	for name, c := range map[string]struct {
		parent, trace string
		want          [2]string
		verdict       verdicts
	}{
		"right":                   {"1", "a", wanted, verdicts{right: 1}},
		"none":                    {"", "a", wanted, verdicts{none: 1}},
		"another order":           {"2", "b", wanted, verdicts{wrong: 1}},
		"the other end":           {"3", "a", wanted, verdicts{wrong: 1}},
		"another trace":           {"1", "b", wanted, verdicts{wrong: 1}},
		"a parent of nobody":      {"4", "a", wanted, verdicts{wrong: 1}},
		"a root with a parent":    {"1", "a", [2]string{"", "server"}, verdicts{wrong: 1}},
		"a root, as it should be": {"", "a", [2]string{"", "server"}, verdicts{}},
	} {
		got := edges{}
		text := verdict(got, "x", span{call: "GET /carts/1", role: "client", trace: c.trace, parent: c.parent}, byID, c.want)
		var v verdicts
		if got["x"] != nil {
			v = *got["x"]
		}
		if v != c.verdict || (text != "") != (v.wrong > 0) {
			t.Errorf("%s: %+v %q, want %+v", name, v, text, c.verdict)
		}
	}
}
