// SPDX-License-Identifier: Apache-2.0

package jsonl

// Keys below "attributes". exporters/semconv describes what metrics carry, by number; a line needs constants, and more of
// them. A test holds those that both have against each other.
const (
	keyMethod          = "http.request.method"
	keyMethodOriginal  = "http.request.method_original"
	keyStatusCode      = "http.response.status_code"
	keyRequestBody     = "http.request.body.size"
	keyResponseBody    = "http.response.body.size"
	keyURLScheme       = "url.scheme"
	keyURLPath         = "url.path"
	keyURLQuery        = "url.query"
	keyURLFull         = "url.full"
	keyServerAddress   = "server.address"
	keyServerPort      = "server.port"
	keyPeerAddress     = "network.peer.address"
	keyPeerPort        = "network.peer.port"
	keyProtocolVersion = "network.protocol.version"
	keyUserAgent       = "user_agent.original"
	keyErrorType       = "error.type"
)
