// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"net/netip"
	"strings"

	"sonde/agent/model"
)

// askedServer returns the host and port that the client asked for: those of the request, where it has them (RFC 9110
// 7.2), else the peer of its socket. A Host field that no host could have is not shown: it is the peer that was asked.
func (a *Aggregator) askedServer(r *model.Request) (string, uint16) {
	if r.HTTP == nil {
		return a.peerServer(r)
	}
	host, port, ok := splitHost(r.HTTP.Host)
	if !ok {
		return a.peerServer(r)
	}
	if port == 0 {
		port = defaultPort(r.HTTP.Scheme)
	}
	return host, port
}

// peerServer returns the server's end of the connection.
func (a *Aggregator) peerServer(r *model.Request) (string, uint16) {
	return a.addresses.text(r.Server.Addr.Addr()), r.Server.Addr.Port()
}

// defaultPort is the port of an authority without one, RFC 9110 4.2.1 and 4.2.2.
func defaultPort(scheme string) uint16 {
	if scheme == "https" {
		return 443
	}
	return 80
}

const maxHost = 253 // longest DNS name, RFC 1035 2.3.4

// splitHost splits host[:port] and tells whether it can be one. The host is lower case (RFC 9110 4.2.3) and without the
// brackets of an IPv6 address; the port is 0 when there is none. It allocates for hosts with upper case letters only.
func splitHost(s string) (host string, port uint16, ok bool) {
	var rest string
	if strings.HasPrefix(s, "[") {
		host, rest = cutHost(s[1:], ":.")
		if !strings.HasPrefix(rest, "]") {
			return "", 0, false
		}
		rest = rest[1:]
	} else {
		host, rest = cutHost(s, "-._~") // RFC 3986 3.2.2: of a reg-name what is in use
	}
	port, ok = splitPort(rest)
	return host, port, ok && host != "" && len(host) <= maxHost
}

// cutHost cuts s after its last leading letter, digit or byte of marks.
func cutHost(s, marks string) (host, rest string) {
	end, upper := 0, false
	for ; end < len(s); end++ {
		c := s[end]
		if c >= 'A' && c <= 'Z' {
			upper = true
		} else if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(marks, c) < 0 {
			break
		}
	}
	host, rest = s[:end], s[end:]
	if upper && end <= maxHost {
		host = strings.ToLower(host)
	}
	return host, rest
}

// splitPort reads ":123"; "" and ":" are no port.
func splitPort(s string) (port uint16, ok bool) {
	if s == "" || s == ":" {
		return 0, true
	}
	if s[0] != ':' || len(s) > len(":65535") {
		return 0, false
	}
	n := 0
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return uint16(n), n <= 65535
}

// addressTexts keeps the texts of addresses, so that a known one costs no allocation.
type addressTexts map[netip.Addr]string

const maxAddressTexts = 4096

// text returns the text of addr, "" for the zero Addr.
func (t addressTexts) text(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	s, ok := t[addr]
	if ok {
		return s
	}
	if len(t) >= maxAddressTexts {
		clear(t)
	}
	s = addr.String()
	t[addr] = s
	return s
}
