// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"net/netip"
	"strconv"

	"sonde/agent/model"
)

// Visitor takes the attributes of a request, each key at most once. Values are valid during the call. Text is as it was on
// the wire, so it may be no UTF-8. It is never asked to take an empty string: what is not known has no attribute.
type Visitor interface {
	String(key, value string)
	Bytes(key string, value []byte) // a text that was put together
	Int(key string, value int64)
	Uint(key string, value uint64)
	Bool(key string, value bool)
	Addr(key string, value netip.Addr)
	Strings(key string, values []string)
	Uints(key string, values []uint32)
	Addrs(key string, values []netip.Addr)
}

// Walker visits the attributes of requests. It holds memory for the next use, so it is for one goroutine; the zero value is
// ready.
//
// What it passes on is fit to leave the process: values in a URL's query and credentials are replaced by "REDACTED", and
// parsers keep no values of databases and messages.
type Walker struct {
	Methods Methods // that HTTP requests go by

	span    bool // the attributes are those of a span, see SpanWalker
	v       Visitor
	scratch []byte
}

// Visit tells v the attributes of r.
func (w *Walker) Visit(r *model.Request, v Visitor) {
	w.v = v
	host := authority{}
	switch {
	case r.RPC != nil:
		w.rpc(r)
		if r.HTTP != nil {
			host = splitAuthority(r.HTTP.Host, r.HTTP.Scheme)
		}
	case r.HTTP != nil:
		host = splitAuthority(r.HTTP.Host, r.HTTP.Scheme)
		w.http(r, host)
	case r.DNS != nil:
		w.dns(r.DNS)
	case r.DB != nil:
		w.db(r.DB)
	case r.Messaging != nil:
		w.messaging(r.Messaging)
	case r.WebSocket != nil:
		host = splitAuthority(r.WebSocket.Host, "http")
		w.webSocket(r.WebSocket)
	case r.TLS != nil:
		host = authority{host: r.TLS.ServerName, port: r.Server.Addr.Port()}
		w.tls(r.TLS)
	}
	w.server(r.Server.Addr, host)
	if peer := peerOf(r); peer.IsValid() {
		v.Addr(KeyPeerAddress, peer.Addr())
		v.Uint(KeyPeerPort, uint64(peer.Port()))
	}
	if r.Transport == model.TransportUDP {
		v.String(KeyTransport, r.Transport.String())
	}
	w.errorType(r)
	w.v = nil
}

func (w *Walker) text(key, value string) {
	if value != "" {
		w.v.String(key, value)
	}
}

// count tells a number of which 0 says nothing.
func (w *Walker) count(key string, value uint64) {
	if value != 0 {
		w.v.Uint(key, value)
	}
}

// flag tells what is worth saying only when it is true.
func (w *Walker) flag(key string, value bool) {
	if value {
		w.v.Bool(key, true)
	}
}

// server tells what the client asked for; the socket stands in where the request does not say.
func (w *Walker) server(socket netip.AddrPort, host authority) {
	port := host.port
	if host.host != "" {
		w.v.String(KeyServerAddress, host.host)
	} else {
		if socket.Addr().IsValid() {
			w.v.Addr(KeyServerAddress, socket.Addr())
		}
		port = socket.Port()
	}
	w.count(KeyServerPort, uint64(port))
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

// errorType agrees with the metrics: an exchange that did not end says why, and one that did what its protocol calls the
// error. In HTTP a status of 4xx is the client's error alone, and a number that is no status is an error of both. A span has it
// where it has the status Error, and not where the end was not observed (recording errors).
func (w *Walker) errorType(r *model.Request) {
	if w.span {
		if status, _ := StatusOf(r); status != StatusError {
			return
		}
	}
	status := 0
	if r.HTTP != nil && r.RPC == nil {
		status = r.HTTP.Status
	}
	switch {
	case r.Outcome == model.OutcomeIncomplete:
		w.text(KeyErrorType, orOther(r.Reason))
	case r.Outcome == model.OutcomeError && r.ErrorType != "":
		w.text(KeyErrorType, r.ErrorType)
	case r.Outcome == model.OutcomeError && status == 0:
		w.text(KeyErrorType, orOther(r.Reason))
	case status >= errorStatus(r.Role), status > 0 && status < 100:
		w.scratch = strconv.AppendInt(w.scratch[:0], int64(status), 10)
		w.v.Bytes(KeyErrorType, w.scratch)
	}
}

func orOther(s string) string {
	if s == "" {
		return "_OTHER"
	}
	return s
}

func errorStatus(role model.Role) int {
	if role == model.RoleClient {
		return 400
	}
	return 500
}
