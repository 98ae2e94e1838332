// SPDX-License-Identifier: Apache-2.0

package protocol

// PublicField tells whether a recording may hold the value of a header field of HTTP, in any version: it is needed to parse the
// same again, is reported, or carries trace context. name is in any case; values of others are private.
func PublicField(name []byte) bool {
	var b [longestPublic]byte
	if len(name) > len(b) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b[i] = c
	}
	switch string(b[:len(name)]) {
	case "host", "user-agent", "upgrade", "content-length", "transfer-encoding", "expect", "connection", "content-type",
		"http2-settings", "sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-version",
		"grpc-status", "grpc-message", "grpc-timeout",
		"x-request-id":
		return true
	}
	return CarriesContext(name)
}

const longestPublic = max(longestContext, len("sec-websocket-extensions"))
