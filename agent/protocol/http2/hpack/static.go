// SPDX-License-Identifier: Apache-2.0

package hpack

import "strings"

// pair is a field of the static table.
type pair struct{ name, value []byte }

// staticText is RFC 7541 Appendix A: a field in a line, index 1 first.
const staticText = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`

// staticSize is the number of the last static field; those of the dynamic table follow.
const staticSize = 61

var static = readStatic()

func readStatic() (t [staticSize + 1]pair) {
	for i, l := range strings.Split(staticText, "\n") {
		name, value, _ := strings.Cut(l, " ")
		t[i+1] = pair{[]byte(name), []byte(value)}
	}
	return t
}
