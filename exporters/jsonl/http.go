// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"strings"

	"sonde/agent/model"
)

const redacted = "REDACTED"

func appendHTTP(b []byte, r *model.Request, host authority) []byte {
	h := r.HTTP
	b = appendMethod(b, h.Method)
	b = appendText(b, keyURLScheme, h.Scheme)
	b = appendText(b, keyURLPath, h.Path)
	if h.Query != "" {
		b = append(appendKey(b, keyURLQuery), '"')
		b = append(appendRedactedQuery(b, h.Query), '"')
	}
	if r.Role == model.RoleClient {
		b = appendFullURL(b, r, host)
	}
	if h.Status != 0 {
		b = appendUint(b, keyStatusCode, uint64(h.Status))
	}
	b = appendText(b, keyProtocolVersion, h.Version)
	b = appendText(b, keyUserAgent, h.UserAgent)
	if h.Method != "" {
		b = appendUint(b, keyRequestBody, h.RequestBodyBytes)
	}
	if h.Status != 0 {
		b = appendUint(b, keyResponseBody, h.ResponseBodyBytes)
	}
	return b
}

func appendMethod(b []byte, method string) []byte {
	if method == "" || knownMethod(method) {
		return appendText(b, keyMethod, method)
	}
	b = appendText(b, keyMethod, "_OTHER")
	return appendText(b, keyMethodOriginal, method)
}

// knownMethod is the list of the conventions: RFC 9110, PATCH (RFC 5789) and QUERY. Methods are case-sensitive.
func knownMethod(method string) bool {
	switch method {
	case "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE":
		return true
	}
	return false
}

// appendFullURL adds the target URI of RFC 9112 section 3.3. It is left out where a part of it was not seen or the
// target cannot follow a host: a URL that was never asked for is worse than none.
func appendFullURL(b []byte, r *model.Request, host authority) []byte {
	h := r.HTTP
	path := h.Path
	if path == "*" || h.Method == "CONNECT" { // asterisk and authority forms have no path
		path = ""
	}
	if h.Method == "" || h.Scheme == "" || path != "" && path[0] != '/' {
		return b
	}
	b = append(appendKey(b, keyURLFull), '"')
	b = appendEscaped(b, h.Scheme)
	b = append(b, "://"...)
	if host.credentials {
		b = append(b, redacted+":"+redacted+"@"...)
	}
	if host.text != "" {
		b = appendEscaped(b, host.text)
	} else {
		b = r.Server.Addr.AppendTo(b)
	}
	b = appendEscaped(b, path)
	if h.Query != "" {
		b = append(b, '?')
		b = appendRedactedQuery(b, h.Query)
	}
	return append(b, '"')
}

// appendRedactedQuery keeps the names of a query and replaces every value. The separator is "&" alone, so that what a
// server might split elsewhere stays inside a value and is replaced with it.
func appendRedactedQuery(b []byte, query string) []byte {
	for {
		pair, rest, more := strings.Cut(query, "&")
		name, _, hasValue := strings.Cut(pair, "=")
		b = appendEscaped(b, name)
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
	a := authority{port: defaultPort(scheme)}
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		a.credentials = true
		text = text[at+1:]
	}
	a.text, a.host = text, text
	colon := strings.LastIndexByte(text, ':')
	if colon > strings.LastIndexByte(text, ']') {
		a.host = text[:colon]
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
