// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"strings"
)

// Exchange is one kind of request in a mix.
type Exchange struct {
	Method string
	Path   string
	Body   int // bytes of request body
}

// String returns the form that ParseExchange reads: "POST /echo 100".
func (e Exchange) String() string { return fmt.Sprintf("%s %s %d", e.Method, e.Path, e.Body) }

// ParseExchange reads "METHOD PATH" or "METHOD PATH BODYBYTES".
func ParseExchange(s string) (Exchange, error) {
	fields := strings.Fields(s)
	var e Exchange
	if len(fields) < 2 || len(fields) > 3 {
		return e, fmt.Errorf("exchange %q is not METHOD PATH [BODYBYTES]", s)
	}
	e.Method, e.Path = fields[0], fields[1]
	if len(fields) == 3 {
		if _, err := fmt.Sscan(fields[2], &e.Body); err != nil {
			return e, fmt.Errorf("exchange %q: body bytes: %w", s, err)
		}
	}
	return e, nil
}

// wire returns the request as sent. A server may close a keep-alive connection of HTTP/1.0, so it is 1.1.
func (e Exchange) wire(host string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", e.Method, e.Path, host)
	if e.Body > 0 || e.Method == "POST" || e.Method == "PUT" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", e.Body)
	}
	b.WriteString("\r\n")
	b.WriteString(strings.Repeat("b", e.Body))
	return []byte(b.String())
}
