// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"time"
)

// RPC is the detail of a gRPC call. HTTP holds the request that carried it.
type RPC struct {
	Method  string // "package.Service/Method", "" when not known
	Status  int    // gRPC status code, -1 when none is known
	Message string // grpc-message, decoded and cut to MaxText; "" when absent

	// StatusInferred says that no grpc-status was seen and the status follows from a RST_STREAM, GOAWAY or HTTP status by
	// gRPC's own rules.
	StatusInferred bool

	Timeout           time.Duration // the caller's deadline (grpc-timeout), 0 when none
	RequestMessages   uint64        // length-prefixed messages seen
	ResponseMessages  uint64
	FirstMessage      time.Duration // first byte of the first response message, since boot; 0 when none
	MessagesUncounted bool          // part of the data was not seen: the counts are lower bounds
	Stream            uint32        // HTTP/2 stream identifier
}

// DNS is the detail of a query and its answer (RFC 1035).
type DNS struct {
	ID      uint16
	Name    string // as queried, without the final dot; "." is the root
	Type    string // "A", "AAAA", "TYPE65280" for types without a name
	Class   string // "IN"
	Opcode  string // "QUERY", "UPDATE", ...
	RCode   string // "NOERROR", "NXDOMAIN", ...; "" without an answer
	Answers []string
	Addrs   []netip.Addr // of the A and AAAA records among the answers
	TTLs    []uint32     // seconds, one for each of Answers
	Records int          // answer records as the header counts them

	Authoritative, Truncated, RecursionAvailable bool
	Retries                                      int // times the query was sent again before the answer
	EDNS                                         bool
	UDPSize                                      uint16 // that the client announced (EDNS), 0 when none
	Multicast                                    bool   // mDNS (RFC 6762)
}

// DB is the detail of a database command.
type DB struct {
	System     string // "postgresql", "mysql", "mariadb", "redis", "memcached", "mongodb"
	Command    string // of the wire protocol, as it names it: "Query", "Parse", "COM_QUERY", "OP_MSG"
	Operation  string // "GET", "find"; for SQL only where the protocol says it (COM_PING), never from query text
	Collection string // MongoDB collection; never from query text
	Namespace  string // database, "database|schema", database index
	Summary    string // "SELECT wuser_table", at most 255 characters
	Query      string // literals replaced by "?"; parameterised text as sent; cut to MaxText
	Procedure  string // stored procedure, script or function
	User       string // on session start
	Statement  string // prepared statement, as the protocol tells it from others: "7", "S_1"; "" for none, and for PostgreSQL's unnamed one
	RequestID  uint32 // MongoDB: that its answer repeats, 0 for none

	Status       string // SQLSTATE, error number, error prefix; "" when the server gave none
	Batch        int    // commands in one batch, 0 when it is none
	Rows         int64  // rows returned or affected, as Counted says
	RowsKnown    bool
	RowsAffected bool   // Rows counts changed rows, not returned ones
	QueryCut     bool   // Query was longer than what was captured or kept
	Keys         int    // keys of a multi-key command
	Message      string // name of the error where it is no user data: "MOVED", "ER_NO_SUCH_TABLE"
}

// Messaging is the detail of a message broker's command.
type Messaging struct {
	System        string // "kafka", "rabbitmq", "nats", "mqtt"
	API           string // of the wire protocol: "Produce", "basic.publish", "PUB", "PUBLISH"
	APIVersion    int    // -1 when the protocol has none
	CorrelationID int64  // -1 when the protocol has none
	Operation     string // "send", "poll", "commit", "process", ...; "" for what moves no message
	OperationType string // "send", "receive", "settle", "create", "process"; "" for what moves no message
	Destination   string // topic, queue, subject; the first when there are several
	Destinations  int    // how many there were
	RoutingKey    string
	Partition     int32 // -1 when none or several
	Group         string
	ClientID      string
	Mechanism     string // SASL mechanism, of the calls that authenticate
	Messages      int    // in the request or the answer, -1 when not known
	Offset        int64  // -1 when none
	BodyBytes     uint64
	QoS           int // MQTT, -1 elsewhere
	PacketID      int // MQTT, 0 when none
	Error         string

	// Headers are the fields of each message that may carry trace context: at most MaxMessages of at most MaxFields. nil when
	// no message had any.
	Headers [][]Field
}

// WebSocket is the detail of a WebSocket session (RFC 6455), which is one request from the upgrade to the close.
type WebSocket struct {
	Path, Host, Subprotocol        string
	MessagesSent, MessagesReceived uint64 // seen from the client
	FramesSent, FramesReceived     uint64
	BytesSent, BytesReceived       uint64 // payload
	Pings                          uint64
	CloseCode                      int // 0 when no close frame was seen
	Compressed                     bool
	MessagesUncounted              bool // part was not seen: the counts are lower bounds
}

// TLS is what a handshake says in the clear.
type TLS struct {
	Version     string   // chosen: "1.2", "1.3"; "" without a ServerHello
	Offered     []string // versions of the ClientHello, highest first
	ServerName  string   // SNI
	ALPN        []string // offered
	NextProto   string   // chosen, where it is in the clear (before TLS 1.3)
	Cipher      string   // IANA name, "TLS_AES_128_GCM_SHA256"; "0x1301" for one without a name
	Curve       string
	Resumed     bool
	Retried     bool   // HelloRetryRequest
	Established bool   // both sides went on to encrypted data
	Alert       string // description of the first alert in the clear: "handshake_failure"
	AlertFrom   string // "client" or "server"
	QUICVersion string // "1", "2", "draft-29"; "" for TLS over TCP
}

// MaxFields bounds the fields of a request, or of a message, that may carry trace context; MaxField the bytes of a value.
const (
	MaxFields = 16
	MaxField  = 1024
)

// MaxMessages bounds the messages of one request whose fields are kept, as OpenTelemetry bounds the links of a span.
const MaxMessages = 128

// MaxText bounds a query text or message that is kept, in bytes.
const MaxText = 4096
