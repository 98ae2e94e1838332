// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"maps"
	"os"
	"strconv"
	"testing"

	"sonde/testbed/apps"
)

// TestShopAnswersAsItsCallsSay runs the shop without an observer: what the tests hold an observer against must be true.
func TestShopAnswersAsItsCallsSay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: PostgreSQL is started as its own user")
	}
	kit, err := apps.NewKit()
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	shop, err := Start(kit)
	if err != nil {
		t.Fatal(err)
	}
	defer shop.Stop()
	for _, concurrent := range []int{1, 200} {
		first, orders := 10*concurrent, 300
		want := map[string]int{}
		for n := range orders {
			want[Calls(first + n)[0].Status]++
		}
		got, err := shop.Buy(first, orders, concurrent)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d at a time: answers %v, want %v", concurrent, got, want)
		}
	}
}

func TestCallsOfAnOrderHaveNamesOfTheirOwnAndKnownParents(t *testing.T) {
	seen := map[string]bool{"": true}
	for order := 1; order <= 100; order++ {
		for _, c := range Calls(order) {
			if seen[c.Name] {
				t.Errorf("%q is the name of two calls", c.Name)
			}
			if !seen[c.Parent] {
				t.Errorf("%q is made for %q, which is not known before", c.Name, c.Parent)
			}
			seen[c.Name] = true
		}
	}
	if n := len(Calls(3)) + len(Calls(5)) + len(Calls(7)) + len(Calls(8)); n != 8+6+12+12 {
		t.Errorf("the orders lead to %d calls", n)
	}
}

func TestNameIsReadFromTheAttributesOfASpan(t *testing.T) {
	for want, attributes := range map[string]map[string]string{
		"GET /carts/17":        {"http.request.method": "GET", "url.path": "/carts/17"},
		"POST /payments/1":     {"http.request.method": "POST", "url.full": "http://127.0.0.1:80/payments/1"},
		"shop.Catalog/Price17": {"rpc.method": "shop.Catalog/Price17"},
		"item_17":              {"db.query.text": "SELECT price AS item_17 FROM items WHERE id = $1"},
		"cart:17":              {"db.query.text": "GET cart:17"},
		"":                     {"db.query.text": "SELECT ?"},
	} {
		if got := Name(func(key string) string { return attributes[key] }); got != want {
			t.Errorf("%v: %q, want %s", attributes, got, strconv.Quote(want))
		}
	}
}
