// SPDX-License-Identifier: Apache-2.0

package view

import "time"

// Snapshot is the answer to a Query.
type Snapshot struct {
	Page   Page          `json:"page"`
	Time   time.Time     `json:"time"`      // of the world: now, or where a recording is
	Window time.Duration `json:"window_ns"` // that was asked for
	// Covered is how much of the window the rows stand for: less at the beginning, and with a filter, whose rows are made of
	// the requests that are kept.
	Covered time.Duration `json:"covered_ns"`

	Mode     string    `json:"mode"`               // "live", "attached", "recording", "capture"
	Source   string    `json:"source,omitempty"`   // path of the socket or file; "" for live
	Host     string    `json:"host,omitempty"`     // that is observed
	Playback *Playback `json:"playback,omitempty"` // nil unless a file is being played

	Overview Overview `json:"overview"`
	Notes    []string `json:"notes,omitempty"` // what a reader of the page must know: losses, what is not observed and why

	Rows      int         `json:"rows"`            // that the page has in all; the slices hold Limit of them from Offset
	Total     *RED        `json:"total,omitempty"` // of all requests of the page, with Histogram
	Services  []Service   `json:"services,omitempty"`
	Routes    []Route     `json:"routes,omitempty"`
	Requests  []Request   `json:"requests,omitempty"` // also PageTrace, with Depth
	Flows     []FlowGroup `json:"flows,omitempty"`
	Conns     []Conn      `json:"conns,omitempty"`
	Edges     []Edge      `json:"edges,omitempty"` // PageMap
	Processes []Process   `json:"processes,omitempty"`
	DNS       []DNS       `json:"dns,omitempty"`
	Agent     *Agent      `json:"agent,omitempty"`
	Request   *Detail     `json:"request,omitempty"` // PageRequest
}

// Overview is what the top of each page says of the whole world, whatever the page and its filter. Rates are over the window.
type Overview struct {
	Requests    float64 `json:"requests_per_s"` // exchanges, one that was seen at both ends counts once
	Errors      float64 `json:"errors_per_s"`
	Total       uint64  `json:"requests_total"` // since the observation began, observations: both ends
	Services    int     `json:"services"`
	Flows       int     `json:"flows"` // open now
	BytesPerS   float64 `json:"bytes_per_s"`
	Lost        uint64  `json:"lost"`         // records that found no room, since the observation began
	LostRecent  uint64  `json:"lost_recent"`  // within the window
	CPU         float64 `json:"cpu"`          // of the agent and its probes in cores, 0 where it is not known
	MemoryBytes uint64  `json:"memory_bytes"` // of the agent, resident
}

// Playback is where a recording is.
type Playback struct {
	Paused   bool      `json:"paused"`
	Ended    bool      `json:"ended"`
	Seeking  bool      `json:"seeking"` // on the way to a position, rows are of the way
	Speed    float64   `json:"speed"`   // 0: as fast as the machine can
	Start    time.Time `json:"start"`
	Position time.Time `json:"position"`
	End      time.Time `json:"end,omitzero"`    // zero until the file was read to its end once
	Error    string    `json:"error,omitempty"` // why it ended early: a damaged file
}

// RED are rate, errors and durations of requests within the window.
type RED struct {
	Count      uint64        `json:"count"`
	Errors     uint64        `json:"errors"`
	Incomplete uint64        `json:"incomplete"` // whose end was not seen; in Count, not in the durations
	Rate       float64       `json:"rate"`       // Count a second
	P50        time.Duration `json:"p50_ns"`     // quantiles are upper bounds of buckets 9 % wide, 0 without durations
	P95        time.Duration `json:"p95_ns"`
	P99        time.Duration `json:"p99_ns"`
	Max        time.Duration `json:"max_ns"`
	Spark      []uint32      `json:"spark,omitempty"`     // requests in equal parts of the window, oldest first
	SparkErr   []uint32      `json:"spark_err,omitempty"` // errors in the same parts
	Histogram  []Bucket      `json:"histogram,omitempty"` // ascending, without empty ends
}

// Bucket is one bucket of a latency histogram: durations up to Upper and above the bucket before.
type Bucket struct {
	Upper time.Duration `json:"le_ns"`
	Count uint64        `json:"count"`
}

// Service is a service with an observed process.
type Service struct {
	Name      string   `json:"name"`
	Protocols []string `json:"protocols,omitempty"` // that it answers
	Processes int      `json:"processes"`           // seen in the window
	In        RED      `json:"in"`                  // requests that it answers
	Out       RED      `json:"out"`                 // requests that it makes
	CostNS    float64  `json:"cost_ns_per_request"` // of the probes, its share by requests; 0 where it is not measured
	CostCPU   float64  `json:"cost_cpu"`            // the same in cores
}

// Route is an operation of a service.
type Route struct {
	Service   string `json:"service"`
	Operation string `json:"operation"` // of bounded variety: the name of its spans
	Protocol  string `json:"protocol"`
	RED       RED    `json:"red"`
}

// Request is a request in a list or in a trace.
type Request struct {
	ID        uint64        `json:"id"` // within this observation, rising; never 0
	Time      time.Time     `json:"time"`
	Duration  time.Duration `json:"duration_ns"`
	Protocol  string        `json:"protocol"`
	Role      string        `json:"role"`   // "client", "server", "wire"
	Client    string        `json:"client"` // service, or address where the process is not observed
	Server    string        `json:"server"`
	Target    string        `json:"target"`               // "GET /orders/17"
	Status    string        `json:"status"`               // "200", "NXDOMAIN"; "" when none was seen
	Outcome   string        `json:"outcome"`              // "ok", "error", "incomplete"
	EndUnseen bool          `json:"end_unseen,omitempty"` // Duration is until it was given up
	Reason    string        `json:"reason,omitempty"`
	Error     string        `json:"error,omitempty"`
	Slow      bool          `json:"slow,omitempty"` // far above what its operation takes
	BytesIn   uint64        `json:"request_bytes"`
	BytesOut  uint64        `json:"response_bytes"`
	SRTT      time.Duration `json:"srtt_ns,omitempty"`
	Retrans   uint32        `json:"retransmits,omitempty"` // of its connection
	Conn      uint64        `json:"conn"`
	TraceID   string        `json:"trace_id,omitempty"`
	SpanID    string        `json:"span_id,omitempty"`
	ParentID  string        `json:"parent_span_id,omitempty"`
	Evidence  string        `json:"parent_evidence,omitempty"`
	Depth     int           `json:"depth,omitempty"` // PageTrace: 0 for a root
	PID       uint32        `json:"pid,omitempty"`   // of the observed process
	Operation string        `json:"operation,omitempty"`
}

// Detail is everything known of one request.
type Detail struct {
	Request
	ClientAddr    string        `json:"client_addr"`
	ServerAddr    string        `json:"server_addr"`
	ClientProcess string        `json:"client_process,omitempty"` // "curl[123]"
	ServerProcess string        `json:"server_process,omitempty"`
	Container     string        `json:"container,omitempty"` // of the observed process
	Unit          string        `json:"unit,omitempty"`
	Sending       time.Duration `json:"sending_ns"`           // first to last byte of the request; -1 when not known, as the next two
	Waiting       time.Duration `json:"waiting_ns"`           // last byte of the request to first of the answer
	Receiving     time.Duration `json:"receiving_ns"`         // first to last byte of the answer
	Attributes    []KeyValue    `json:"attributes,omitempty"` // OpenTelemetry's names
	Operations    *RED          `json:"operations,omitempty"` // all requests of the same service and operation, with Histogram
}

// KeyValue is an attribute.
type KeyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// FlowGroup adds up the flows between the same two ends.
type FlowGroup struct {
	Client       string        `json:"client"` // service, or address
	Server       string        `json:"server"`
	Port         uint16        `json:"port"` // of the server, 0 for none
	Transport    string        `json:"transport"`
	Protocol     string        `json:"protocol,omitempty"`
	Encryption   string        `json:"encryption,omitempty"` // "tls", "none", "mixed", "" when not known
	View         string        `json:"view"`                 // "socket", "interface": counted at a socket or at an interface, never both
	Interface    string        `json:"interface,omitempty"`
	Open         int           `json:"open"`
	Opened       uint64        `json:"opened"`           // within the window
	Failed       uint64        `json:"failed"`           // within the window: refused, timed out, reset
	SentPerS     float64       `json:"sent_bytes_per_s"` // client to server, within the window
	ReceivedPerS float64       `json:"received_bytes_per_s"`
	Sent         uint64        `json:"sent_bytes"` // of the connections that are known now
	Received     uint64        `json:"received_bytes"`
	Packets      uint64        `json:"packets"` // both ways
	SRTT         time.Duration `json:"srtt_ns"` // median of the connections that have one, 0 for none
	Retrans      uint64        `json:"retransmits"`
	Drops        uint64        `json:"drops"` // packets that the kernel dropped of connections that are known now
}

// Conn is one connection, or one 5-tuple.
type Conn struct {
	ID           uint64        `json:"id"`
	Client       string        `json:"client"`
	Server       string        `json:"server"`
	ClientAddr   string        `json:"client_addr"`
	ServerAddr   string        `json:"server_addr"`
	Role         string        `json:"role"`
	Transport    string        `json:"transport"`
	Protocol     string        `json:"protocol,omitempty"`
	Encryption   string        `json:"encryption,omitempty"`
	State        string        `json:"state"`
	Error        string        `json:"error,omitempty"`
	JoinedMid    bool          `json:"joined_mid_stream,omitempty"`
	Started      time.Time     `json:"started,omitzero"`
	Ended        time.Time     `json:"ended,omitzero"` // zero while it is open
	SentPerS     float64       `json:"sent_bytes_per_s"`
	ReceivedPerS float64       `json:"received_bytes_per_s"`
	Sent         uint64        `json:"sent_bytes"`
	Received     uint64        `json:"received_bytes"`
	Packets      uint64        `json:"packets"`
	SRTT         time.Duration `json:"srtt_ns"`
	Retrans      uint32        `json:"retransmits"`
	Drops        uint64        `json:"drops"`
	Requests     uint64        `json:"requests"` // that the store keeps
}

// Edge is one edge of the service graph.
type Edge struct {
	Client     string `json:"client"`
	Server     string `json:"server"`
	Protocol   string `json:"protocol"`
	Encryption string `json:"encryption,omitempty"`
	Side       string `json:"side"` // whose end RED is measured at: "client", "server", "wire"
	RED        RED    `json:"red"`
}

// Process is an observed process.
type Process struct {
	PID          uint32  `json:"pid"`
	Name         string  `json:"name"`
	Service      string  `json:"service"`
	Container    string  `json:"container,omitempty"`
	Unit         string  `json:"unit,omitempty"`
	Path         string  `json:"path,omitempty"`
	In           RED     `json:"in"`
	Out          RED     `json:"out"`
	Conns        int     `json:"conns"` // open now
	TransmitPerS float64 `json:"transmit_bytes_per_s"`
	ReceivePerS  float64 `json:"receive_bytes_per_s"`
}

// DNS is a name that was looked up.
type DNS struct {
	Name    string            `json:"name"`
	RED     RED               `json:"red"`
	RCodes  map[string]uint64 `json:"rcodes"` // answers within the window; "timeout" for none
	Types   []string          `json:"types"`
	Clients []string          `json:"clients"` // services
	Servers []string          `json:"servers"`
}

// Agent is sonde itself. What does not exist for a recording is zero.
type Agent struct {
	Version   string        `json:"version"`
	Kernel    string        `json:"kernel,omitempty"`
	Uptime    time.Duration `json:"uptime_ns"`
	Hooks     []Hook        `json:"hooks,omitempty"`
	Programs  []Program     `json:"programs,omitempty"`
	Queues    []Queue       `json:"queues,omitempty"`
	Exporters []Exporter    `json:"exporters,omitempty"`
	Losses    []Count       `json:"losses,omitempty"` // everything that is counted when it is lost, zeros included
	Drops     []Count       `json:"drops,omitempty"`  // packets that the kernel dropped, by reason
	Memory    []Count       `json:"memory,omitempty"` // bytes by part, "resident" first
	Conns     []Count       `json:"conns,omitempty"`  // of the tracker: open, joined mid-stream, resynchronised by protocol
	Coverage  float64       `json:"coverage"`         // payload bytes that reached the parsers, of those that the kernel acknowledged; 0 when not known
	CPU       float64       `json:"cpu"`              // of the process in cores
	ProbeCPU  float64       `json:"probe_cpu"`        // of the eBPF programs in cores
	Events    float64       `json:"events_per_s"`     // records from the kernel
	Viewers   int           `json:"viewers,omitempty"`
}

// Hook is where a probe is attached.
type Hook struct {
	Probe string `json:"probe"`
	Hook  string `json:"hook"`
	Why   string `json:"why,omitempty"`
}

// Program is an eBPF program, and what it cost within the window.
type Program struct {
	Name     string  `json:"name"`
	RunsPerS float64 `json:"runs_per_s"`
	NSPerRun float64 `json:"ns_per_run"`
	CPU      float64 `json:"cpu"` // in cores
}

// Queue is a queue between two stages.
type Queue struct {
	Name     string `json:"name"`
	Depth    uint64 `json:"depth"`
	Capacity uint64 `json:"capacity"`
	Dropped  uint64 `json:"dropped"`
}

// Exporter is a way out of the agent.
type Exporter struct {
	Type     string `json:"type"`
	Exported uint64 `json:"exported"`
	Failed   uint64 `json:"failed"`
}

// Count is a named number.
type Count struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}
