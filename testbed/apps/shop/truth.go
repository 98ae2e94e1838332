// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"fmt"
	"regexp"
)

// Call is one call that an order leads to. A correct observer sees it at both ends, as a client's and as a server's span: the
// parent of the server's span is the client's, and the parent of the client's is the server's span of the call Parent.
type Call struct {
	Name     string // as Name makes it of a span, unique among all orders
	Protocol string // "http", "grpc", "postgresql", "redis"
	From, To string // services: "gateway"; "buyer", "postgresql" and "redis" besides
	Parent   string // name of the call that From serves meanwhile, "" of the buyer's

	Status                     string // of HTTP and gRPC: "200", "NOT_FOUND"
	ClientFailed, ServerFailed bool   // by the semantic conventions
}

// Calls returns what an order leads to. Orders that end with 3 are not paid, with 5 are for nothing that the catalog has,
// with 7 cannot be shipped.
func Calls(order int) []Call {
	ends := order % 10
	front, price, paid, shipped := 200, "OK", 200, 200
	switch ends {
	case 3:
		front, paid = 402, 402
	case 5:
		front, price = 404, "NOT_FOUND"
	case 7:
		front, shipped = 502, 503
	}
	served := fmt.Sprintf("GET /orders/%d", order)
	rpc := Call{Name: fmt.Sprintf("shop.Catalog/Price%d", order), Protocol: "grpc", From: "gateway", To: "catalog", Parent: served, Status: price}
	rpc.ClientFailed = price != "OK" // NOT_FOUND is no error of the server
	carts := web("gateway", "cart", served, "GET /carts/%d", order, 200)
	calls := []Call{
		web("buyer", "gateway", "", "GET /orders/%d", order, front), rpc, carts,
		data("postgresql", "catalog", rpc.Name, "item_%d", order),
		data("redis", "cart", carts.Name, "cart:%d", order),
		web("cart", "shipping", carts.Name, "GET /quotes/%d", order, 200),
	}
	if ends == 5 {
		return calls
	}
	pay := web("gateway", "payment", served, "POST /payments/%d", order, paid)
	calls = append(calls, pay, data("postgresql", "payment", pay.Name, "balance_%d", order))
	if ends == 3 {
		return calls
	}
	ship := web("gateway", "shipping", served, "POST /shipments/%d", order, shipped)
	receipt := web("shipping", "payment", ship.Name, "GET /receipts/%d", order, 200)
	return append(calls, data("postgresql", "payment", pay.Name, "paid_%d", order), ship, receipt,
		data("postgresql", "payment", receipt.Name, "receipt_%d", order))
}

func web(from, to, parent, name string, order, status int) Call {
	return Call{
		Name: fmt.Sprintf(name, order), Protocol: "http", From: from, To: to, Parent: parent, Status: fmt.Sprint(status),
		ClientFailed: status >= 400, ServerFailed: status >= 500,
	}
}

func data(system, from, parent, name string, order int) Call {
	return Call{Name: fmt.Sprintf(name, order), Protocol: system, From: from, To: system, Parent: parent}
}

var marks = regexp.MustCompile(`\b(item|balance|paid|receipt)_\d+\b|\bcart:\d+\b`)

// Name returns the name of the call that a span is of, from its attributes, "" when it is not of an order.
func Name(attribute func(key string) string) string {
	if method := attribute("rpc.method"); method != "" {
		return method
	}
	if method := attribute("http.request.method"); method != "" {
		if path := attribute("url.path"); path != "" {
			return method + " " + path
		}
		return method + " " + fullPath.ReplaceAllString(attribute("url.full"), "")
	}
	return marks.FindString(attribute("db.query.text"))
}

var fullPath = regexp.MustCompile(`^[a-z]+://[^/]*`)

// Language returns what a service is written in, and what it calls others with where that differs, by what it calls.
func Language(from, protocol string) string {
	switch from {
	case "gateway", "catalog":
		return "Go " + map[string]string{"http": "net/http", "grpc": "grpc-go", "postgresql": "pgx"}[protocol]
	case "cart":
		return "Node " + protocol
	case "payment":
		return "Python, thread per request"
	case "shipping":
		return "Java, thread per request"
	}
	return ""
}
