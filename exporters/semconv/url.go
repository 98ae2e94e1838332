// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"slices"
	"strings"

	"sonde/agent/model"
)

const redacted = "REDACTED"

func (w *Walker) http(r *model.Request, host authority) {
	h := r.HTTP
	w.method(h.Method)
	w.text(KeyURLScheme, h.Scheme)
	if !w.inFull(r) {
		w.text(KeyURLPath, h.Path)
		if h.Query != "" {
			w.scratch = appendRedactedQuery(w.scratch[:0], h.Query)
			w.v.Bytes(KeyURLQuery, w.scratch)
		}
	}
	if r.Role == model.RoleClient {
		w.text(KeyURLTemplate, h.Route)
		w.fullURL(r, host)
	} else {
		w.text(KeyRoute, h.Route)
	}
	w.count(KeyStatusCode, uint64(max(0, h.Status)))
	w.text(KeyProtocolVersion, h.Version)
	w.text(KeyUserAgent, h.UserAgent)
	if h.Method != "" {
		w.v.Uint(KeyRequestBody, h.RequestBodyBytes)
	}
	if h.Status != 0 {
		w.v.Uint(KeyResponseBody, h.ResponseBodyBytes)
	}
}

// inFull tells whether the path and the query are in url.full alone, as in a client's span that has it.
func (w *Walker) inFull(r *model.Request) bool {
	if !w.span || r.Role != model.RoleClient {
		return false
	}
	_, known := urlPath(r.HTTP)
	return known
}

func (w *Walker) method(method string) {
	if method == "" || w.Methods.known(method) {
		w.text(KeyMethod, method)
		return
	}
	w.v.String(KeyMethod, "_OTHER")
	w.v.String(KeyMethodOriginal, method)
}

// Methods are the HTTP methods that go by their name; others are "_OTHER". nil is the list of the conventions: RFC 9110, PATCH
// (RFC 5789) and QUERY. OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS puts another in its place. Methods are case-sensitive.
type Methods []string

func (m Methods) known(method string) bool {
	if m != nil {
		return slices.Contains(m, method)
	}
	switch method {
	case "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE":
		return true
	}
	return false
}

// fullURL tells the target URI of RFC 9112 section 3.3. It is left out where a part of it was not seen or the target cannot
// follow a host: a URL that was never asked for is worse than none.
func (w *Walker) fullURL(r *model.Request, host authority) {
	h := r.HTTP
	path, ok := urlPath(h)
	if !ok {
		return
	}
	b := append(w.scratch[:0], h.Scheme...)
	b = append(b, "://"...)
	if host.credentials {
		b = append(b, redacted+":"+redacted+"@"...)
	}
	if host.text != "" {
		b = append(b, host.text...)
	} else {
		b = r.Server.Addr.AppendTo(b)
	}
	b = append(b, path...)
	if h.Query != "" {
		b = append(b, '?')
		b = appendRedactedQuery(b, h.Query)
	}
	w.scratch = b
	w.v.Bytes(KeyURLFull, b)
}

// urlPath returns the path of the target URI, and whether that URI is known.
func urlPath(h *model.HTTP) (string, bool) {
	path := h.Path
	if path == "*" || h.Method == "CONNECT" { // asterisk and authority forms have no path
		path = ""
	}
	return path, h.Method != "" && h.Scheme != "" && (path == "" || path[0] == '/')
}

// appendRedactedQuery keeps the names of a query and replaces every value. The separator is "&" alone, so that what a
// server might split elsewhere stays inside a value and is replaced with it.
func appendRedactedQuery(b []byte, query string) []byte {
	for {
		pair, rest, more := strings.Cut(query, "&")
		name, _, hasValue := strings.Cut(pair, "=")
		b = append(b, name...)
		if hasValue {
			b = append(b, "="+redacted...)
		}
		if !more {
			return b
		}
		b = append(b, '&')
		query = rest
	}
}

// authority is the host part of a request's target, RFC 3986 section 3.2.
type authority struct {
	text        string // as sent, without credentials
	host        string // without brackets and port
	port        uint16 // the scheme's default where the text has none, 0 when neither is known
	credentials bool   // something stood before an "@"
}

func splitAuthority(text, scheme string) authority {
	at, colon, bracket := -1, -1, -1 // the last ones; strings.LastIndexByte goes over a text a byte at a time as well
	for i := range len(text) {
		switch text[i] {
		case '@':
			at = i
		case ':':
			colon = i
		case ']':
			bracket = i
		}
	}
	a := authority{port: defaultPort(scheme), credentials: at >= 0}
	a.text = text[at+1:]
	a.host = a.text
	if colon > at && colon > bracket {
		a.host = text[at+1 : colon]
		if port := parsePort(text[colon+1:]); port != 0 {
			a.port = port
		}
	}
	if n := len(a.host); n > 1 && a.host[0] == '[' && a.host[n-1] == ']' {
		a.host = a.host[1 : n-1]
	}
	return a
}

// parsePort returns 0 for what is no port. It is no strconv.ParseUint because the error of that would let a peer make
// sonde allocate.
func parsePort(digits string) uint16 {
	port := 0
	for i := range len(digits) {
		port = port*10 + int(digits[i]) - '0'
		if digits[i] < '0' || digits[i] > '9' || port > 65535 {
			return 0
		}
	}
	return uint16(port)
}

func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http":
		return 80
	case "https":
		return 443
	}
	return 0
}
