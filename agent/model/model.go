// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"time"
)

// Protocol is the application protocol of a connection or request.
type Protocol uint8

// The protocols that sonde can name. ProtocolUnknown is a connection whose first bytes match none of them.
const (
	ProtocolUnknown Protocol = iota
	ProtocolHTTP             // HTTP/1 and HTTP/2
	ProtocolGRPC
	ProtocolDNS
	ProtocolPostgreSQL
	ProtocolMySQL // and MariaDB
	ProtocolRedis
	ProtocolMemcached
	ProtocolMongoDB
	ProtocolKafka
	ProtocolAMQP
	ProtocolNATS
	ProtocolMQTT
	ProtocolWebSocket
	ProtocolTLS
	ProtocolQUIC
)

var protocols = [...]string{
	"", "http", "grpc", "dns", "postgresql", "mysql", "redis", "memcached", "mongodb", "kafka", "amqp", "nats", "mqtt",
	"websocket", "tls", "quic",
}

// String returns the name used in JSON and in filters ("http"), "" for unknown.
func (p Protocol) String() string {
	if int(p) < len(protocols) {
		return protocols[p]
	}
	return ""
}

// Transport carries a protocol.
type Transport uint8

// TCP is the zero value: most protocols know no other.
const (
	TransportTCP Transport = iota
	TransportUDP
)

// String returns the name used in JSON and in filters.
func (t Transport) String() string { return [...]string{"tcp", "udp"}[t&1] }

// Role says from which end an observation was made.
type Role uint8

// A live socket is observed as client or as server; a capture file has neither end and reports the wire.
const (
	RoleUnknown Role = iota
	RoleClient
	RoleServer
	RoleWire
)

// String returns the name used in JSON and in filters.
func (r Role) String() string {
	return [...]string{"unknown", "client", "server", "wire"}[r&3]
}

// Outcome is what became of a request.
type Outcome uint8

// Incomplete means that the end of the exchange was not seen; nothing is invented in its place.
const (
	OutcomeOK Outcome = iota
	OutcomeError
	OutcomeIncomplete
)

// String returns the name used in JSON and in filters.
func (o Outcome) String() string {
	return [...]string{"ok", "error", "incomplete", "incomplete"}[o&3]
}

// Process is the identity of a process. Published values are immutable and outlive the process.
type Process struct {
	PID     uint32    // in the root PID namespace
	Started time.Time // zero when unknown
	Name    string    // base name of the executable, "nginx"; the kernel's comm where the executable cannot be read
	Path    string    // executable path in the process's own mount namespace; "" when unknown
	Command string    // argv[0] alone; arguments are never read by default, they hold secrets

	CgroupPath  string // path below the cgroup root
	ContainerID string // 64 hex digits (or the runtime's own id); "" outside containers
	Runtime     string // "docker", "containerd", "cri-o", "podman", "" when unknown
	Unit        string // systemd unit, "nginx.service"; "" when none

	ServiceName string // what this process is called in metrics and traces; never ""
}

// Endpoint is one end of a connection. Process is nil where the other end is remote or not yet known.
type Endpoint struct {
	Addr    netip.AddrPort // IPv4-mapped IPv6 addresses are unmapped
	Process *Process
	TID     uint32 // thread that last used the socket, 0 when unknown
}

// TCPFacts are read from the kernel's socket at the same hook that sees the bytes.
type TCPFacts struct {
	SRTT        time.Duration // smoothed round trip time, 0 when not yet measured
	Retransmits uint32        // segments retransmitted over the life of the connection
}

// Request is one matched request and response.
//
// Times are durations since boot (CLOCK_BOOTTIME); Clock turns them into wall time. A zero time is one that was not seen.
type Request struct {
	Protocol  Protocol
	Transport Transport
	Role      Role
	Outcome   Outcome
	Reason    string // why the outcome is incomplete: "connection_closed", "reset", ...; "" otherwise
	ErrorType string // what the protocol calls the error ("42P01", "WRONGTYPE", "nxdomain"), "" when none or for HTTP
	OneWay    bool   // no answer is due (publish without acknowledgement): ResponseStart stays 0

	Start         time.Duration // first byte of the request
	RequestEnd    time.Duration // last byte of the request that was seen
	ResponseStart time.Duration // first byte of the (final) response
	End           time.Duration // last byte of the response, or when the exchange was given up

	Client, Server Endpoint
	NetNS          uint32 // network namespace inode of the observed socket, 0 when unknown
	Conn           uint64 // identifies the connection within one run of the agent

	RequestBytes  uint64 // on the wire, head and body
	ResponseBytes uint64
	TCP           TCPFacts

	Begun  uint64  // what protocol.Env.Begin returned for this request, 0 when it was not called
	Fields []Field // that may carry trace context, at most MaxFields; nil when there are none
	Span   Span

	// The detail, by protocol; the others are nil. Protocols that the conventions describe with the same words share a type.
	HTTP      *HTTP      // ProtocolHTTP, ProtocolGRPC
	RPC       *RPC       // ProtocolGRPC
	DNS       *DNS       // ProtocolDNS
	DB        *DB        // ProtocolPostgreSQL, ProtocolMySQL, ProtocolRedis, ProtocolMemcached, ProtocolMongoDB
	Messaging *Messaging // ProtocolKafka, ProtocolAMQP, ProtocolNATS, ProtocolMQTT
	WebSocket *WebSocket // ProtocolWebSocket
	TLS       *TLS       // ProtocolTLS, ProtocolQUIC
}

// Duration is the time from the first byte of the request to the last byte of the response.
func (r *Request) Duration() time.Duration { return max(0, r.End-r.Start) }

// Local returns the observed end: the socket that the events came from.
func (r *Request) Local() *Endpoint {
	if r.Role == RoleServer {
		return &r.Server
	}
	return &r.Client
}

// HTTP is the detail of an HTTP request.
type HTTP struct {
	Version   string // "1.0", "1.1", "2"
	Method    string // as sent; "" when the request line was not seen
	Scheme    string // "http"; "https" once bytes come from a TLS library
	Path      string // path without query
	Query     string // raw query without "?", to be redacted before output
	Host      string // from the absolute-form target, else Host; may hold a port
	UserAgent string
	Status    int // 0 when no status line was seen

	RequestBodyBytes  uint64 // as on the wire, transfer coding included
	ResponseBodyBytes uint64

	// HeadTruncated says that not all of a head is known: it was longer than the bytes captured, or, in HTTP/2, refers to
	// fields from before the connection was joined. Fields that are empty are unknown then, not absent.
	HeadTruncated bool
	Upgrade       string // protocol named by a 101 answer, lower case

	// Route is the template of the path, "/users/{id}", that agent/route learnt; "" when there is none. It is the only form
	// of a path that may become a label or the name of a span.
	Route string
}

// FlowState is the state of a flow when it was reported.
type FlowState uint8

// The states of a flow. A failed TCP connection has a state of its own for each cause.
const (
	FlowActive   FlowState = iota // UDP, ICMP and interface flows; open TCP connections
	FlowClosed                    // both sides closed in order
	FlowReset                     // ended by a RST
	FlowRefused                   // connect answered by a RST
	FlowTimedOut                  // connect or retransmission gave up
	FlowFailed                    // connect failed for another reason (unreachable, aborted)
)

var flowStates = [...]string{"active", "closed", "reset", "refused", "timed_out", "failed"}

// String returns the name used in JSON and in labels.
func (s FlowState) String() string { return flowStates[s] }

// FlowView says where the counters of a flow come from. Two views of the same packets are labelled, never added up.
type FlowView uint8

// A socket counts what its process sent and received; an interface counts what crossed it.
const (
	ViewSocket FlowView = iota
	ViewInterface
)

// String returns the name used in JSON and in labels.
func (v FlowView) String() string {
	if v == ViewInterface {
		return "interface"
	}
	return "socket"
}

// Flow holds the L3/L4 counters of one connection or 5-tuple.
type Flow struct {
	Transport string // "tcp", "udp", "icmp", "ipv6-icmp"
	View      FlowView
	Interface string // for ViewInterface
	Role      Role   // of the observed socket; RoleUnknown for an interface
	State     FlowState
	Error     string // errno name for failed connections, "ECONNREFUSED"

	Client, Server Endpoint
	NetNS          uint32
	Conn           uint64
	Protocol       Protocol // application protocol, once known
	JoinedMid      bool     // the connection is older than the agent

	Start, End time.Duration // since boot; End is the last packet or the close

	// From the client's point of view: Sent went client to server.
	PacketsSent, PacketsReceived uint64
	BytesSent, BytesReceived     uint64 // TCP: payload acknowledged; others and interfaces: IP bytes
	TCPFlags                     uint8  // union of the flags seen, interface view only
	TCP                          TCPFacts
	Drops                        uint64 // packets of either direction that the kernel of this machine dropped, as far as told by flow
	Encryption                   string // "none", "tls", "" when unknown
}

// Loss is a count of something that was dropped since the last report.
type Loss struct {
	Where string // "ring", "conn_table", "flow_map", ...
	What  string // "records", "requests", "connections"
	Role  Role   // of lost requests: which end observed them; RoleUnknown otherwise
	Count uint64
	Time  time.Duration
}

// Clock turns time since boot into wall time. The zero value maps boot to the Unix epoch, which keeps replays exact.
type Clock struct{ Boot time.Time }

// Wall returns the wall time of t.
func (c Clock) Wall(t time.Duration) time.Time {
	if c.Boot.IsZero() {
		return time.Unix(0, int64(t))
	}
	return c.Boot.Add(t)
}
