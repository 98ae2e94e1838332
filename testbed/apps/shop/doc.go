// SPDX-License-Identifier: Apache-2.0

// Package shop runs a small shop of five services in Go, Node, Python and Java, over HTTP and gRPC, with PostgreSQL and
// Redis, and knows what a correct observer sees of each order.
//
//	buyer > gateway (Go) > catalog (Go, gRPC)  > PostgreSQL
//	                     > cart (Node)         > Redis
//	                                           > shipping
//	                     > payment (Python)    > PostgreSQL
//	                     > shipping (Java)     > payment > PostgreSQL
//
// No service has an SDK and none sends trace context. What tells the truth is the number of the order: it is part of every
// path, gRPC method, Redis key and SQL column name, so that the name of a call is unique, and Calls says which call is made
// on behalf of which. A tracer cannot use that: it would have to know this shop.
//
// Who calls it: testbed/e2e. It is no benchmark.
package shop
