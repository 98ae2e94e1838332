// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"net/netip"
	"strconv"

	"sonde/agent/model"
)

// AppendRequest appends r as one JSON object without a line end. It does not keep r and allocates only to grow b.
func AppendRequest(b []byte, r *model.Request, clock model.Clock) []byte {
	b = append(b, `{"type":"request"`...)
	b = appendTime(b, "time", clock.Wall(r.Start))
	b = appendUint(b, "duration_ns", uint64(r.Duration()))
	b = appendText(b, "protocol", r.Protocol.String())
	b = appendRole(b, r.Role)
	b = appendEndpoint(b, "client", &r.Client)
	b = appendEndpoint(b, "server", &r.Server)
	b = appendText(b, "outcome", r.Outcome.String())
	if r.Outcome == model.OutcomeIncomplete {
		b = appendText(b, "reason", r.Reason)
	}
	if r.HTTP != nil && r.HTTP.HeadTruncated {
		b = append(appendKey(b, "head_truncated"), "true"...)
	}
	b = append(appendKey(b, "attributes"), '{')
	b = append(appendAttributes(b, r), '}')
	b = appendUint(b, "request_bytes", r.RequestBytes)
	b = appendUint(b, "response_bytes", r.ResponseBytes)
	b = appendOffsets(b, r)
	return append(b, '}')
}

// appendOffsets adds the times between start and end that were seen, counted from the start.
func appendOffsets(b []byte, r *model.Request) []byte {
	if r.RequestEnd >= r.Start && r.RequestEnd != 0 {
		b = appendUint(b, "request_end_ns", uint64(r.RequestEnd-r.Start))
	}
	if r.ResponseStart >= r.Start && r.ResponseStart != 0 {
		b = appendUint(b, "first_byte_ns", uint64(r.ResponseStart-r.Start))
	}
	return b
}

func appendRole(b []byte, role model.Role) []byte {
	if role == model.RoleUnknown {
		return b
	}
	return appendText(b, "role", role.String())
}

func appendEndpoint(b []byte, key string, e *model.Endpoint) []byte {
	b = append(appendKey(b, key), '{')
	b = appendAddr(b, "address", e.Addr.Addr())
	if e.Addr.Port() != 0 {
		b = appendUint(b, "port", uint64(e.Addr.Port()))
	}
	if p := e.Process; p != nil {
		if p.PID != 0 {
			b = appendUint(b, "pid", uint64(p.PID))
		}
		b = appendText(b, "process", p.Name)
		b = appendText(b, "container", p.ContainerID)
	}
	return append(b, '}')
}

func appendAddr(b []byte, key string, addr netip.Addr) []byte {
	if !addr.IsValid() {
		return b
	}
	if addr.Zone() != "" { // an interface name, which only the kernel limits
		return appendString(appendKey(b, key), addr.String())
	}
	b = append(appendKey(b, key), '"')
	return append(addr.AppendTo(b), '"')
}

func appendAttributes(b []byte, r *model.Request) []byte {
	host := authority{}
	if h := r.HTTP; h != nil {
		host = splitAuthority(h.Host, h.Scheme)
		b = appendHTTP(b, r, host)
	}
	b = appendServer(b, r.Server.Addr, host)
	if peer := peerOf(r); peer.IsValid() {
		b = appendAddr(b, keyPeerAddress, peer.Addr())
		b = appendUint(b, keyPeerPort, uint64(peer.Port()))
	}
	return appendErrorType(b, r)
}

// appendServer adds what the client asked for; the socket stands in where the request does not say.
func appendServer(b []byte, socket netip.AddrPort, host authority) []byte {
	port := host.port
	if host.host != "" {
		b = appendText(b, keyServerAddress, host.host)
	} else {
		b = appendAddr(b, keyServerAddress, socket.Addr())
		port = socket.Port()
	}
	if port == 0 {
		return b
	}
	return appendUint(b, keyServerPort, uint64(port))
}

// peerOf is the other end of the observed socket. A capture file has no observed socket, so no peer either.
func peerOf(r *model.Request) netip.AddrPort {
	switch r.Role {
	case model.RoleServer:
		return r.Client.Addr
	case model.RoleClient:
		return r.Server.Addr
	}
	return netip.AddrPort{}
}

// appendErrorType follows the HTTP conventions, and agrees with the metrics: an exchange that did not end says why, a
// status of 4xx is the client's error alone, and a number that is no status is an error of both.
func appendErrorType(b []byte, r *model.Request) []byte {
	status := 0
	if r.HTTP != nil {
		status = r.HTTP.Status
	}
	switch {
	case r.Outcome == model.OutcomeIncomplete, r.Outcome == model.OutcomeError && status == 0:
		if r.Reason == "" {
			return appendText(b, keyErrorType, "_OTHER")
		}
		return appendText(b, keyErrorType, r.Reason)
	case status >= errorStatus(r.Role), status > 0 && status < 100:
		b = append(appendKey(b, keyErrorType), '"')
		b = strconv.AppendInt(b, int64(status), 10)
		return append(b, '"')
	}
	return b
}

func errorStatus(role model.Role) int {
	if role == model.RoleClient {
		return 400
	}
	return 500
}
