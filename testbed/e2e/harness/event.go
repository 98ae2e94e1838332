// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"sonde/exporters/jsonl"
)

// Event is one line of `sonde observe -o json`: a request, a flow or a loss, by Type.
type Event struct {
	Type       string     `json:"type"`
	Time       time.Time  `json:"time"`
	DurationNS int64      `json:"duration_ns"`
	Protocol   string     `json:"protocol"`
	Role       string     `json:"role"`
	Client     Endpoint   `json:"client"`
	Server     Endpoint   `json:"server"`
	Outcome    string     `json:"outcome"`
	Reason     string     `json:"reason"`
	OneWay     bool       `json:"one_way"`
	Truncated  bool       `json:"head_truncated"`
	Attributes Attributes `json:"attributes"`

	TraceID  string `json:"trace_id"`
	SpanID   string `json:"span_id"`
	ParentID string `json:"parent_span_id"`
	Evidence string `json:"parent_evidence"`

	RequestBytes  uint64 `json:"request_bytes"`
	ResponseBytes uint64 `json:"response_bytes"`

	Transport string    `json:"transport"`
	View      string    `json:"view"`
	Interface string    `json:"interface"`
	State     string    `json:"state"`
	Error     string    `json:"error"`
	Packets   BothWays  `json:"packets"`
	Bytes     BothWays  `json:"bytes"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	JoinedMid bool      `json:"joined_mid_stream"`
	Encrypted string    `json:"encryption"`

	Where string `json:"where"`
	What  string `json:"what"`
	Count uint64 `json:"count"`
}

// Endpoint is one end of a connection.
type Endpoint struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
	PID     int    `json:"pid"`
	Process string `json:"process"`
}

// BothWays is a counter for each direction, from the client's point of view.
type BothWays struct {
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
}

// Attributes holds those semantic-convention attributes that the tests look at.
type Attributes struct {
	Method   string `json:"http.request.method"`
	Original string `json:"http.request.method_original"`
	Path     string `json:"url.path"`
	Status   int    `json:"http.response.status_code"`

	All map[string]any `json:"-"` // every attribute by its key; nil for HTTP, whose tests read hundreds of thousands
}

// UnmarshalJSON fills the fields, and All where there is no HTTP method.
func (a *Attributes) UnmarshalJSON(b []byte) error {
	type fields Attributes
	if err := json.Unmarshal(b, (*fields)(a)); err != nil || a.Method != "" {
		return err
	}
	return json.Unmarshal(b, &a.All)
}

// Text returns an attribute as text, lists with commas; "" when there is none.
func (a *Attributes) Text(key string) string {
	switch v := a.All[key].(type) {
	case nil:
		return ""
	case []any:
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ","), "[]")
	default:
		return fmt.Sprint(v)
	}
}

// Duration is DurationNS as a time.Duration.
func (e *Event) Duration() time.Duration { return time.Duration(e.DurationNS) }

// String is a short form for messages of failing tests.
func (e *Event) String() string {
	switch {
	case e.Type == "request" && e.Attributes.Method == "":
		return fmt.Sprintf("%s %s %s%s %v [%d %s] > %d[%d %s] %v", e.Role, e.Protocol, e.Outcome, prefixed(" ", e.Reason), e.Duration(),
			e.Client.PID, e.Client.Process, e.Server.Port, e.Server.PID, e.Server.Process, e.Attributes.All)
	case e.Type == "request":
		return fmt.Sprintf("%s %s %s %d %s%s %v %s:%d[%d %s] > %s:%d[%d %s]", e.Role, e.Attributes.Method, brief(e.Attributes.Path),
			e.Attributes.Status, e.Outcome, prefixed(" ", e.Reason), e.Duration(), e.Client.Address, e.Client.Port, e.Client.PID,
			e.Client.Process, e.Server.Address, e.Server.Port, e.Server.PID, e.Server.Process)
	case e.Type == "flow":
		return fmt.Sprintf("flow %s %s %s%s %s %s:%d > %s:%d packets %v bytes %v %s", e.Transport, e.View, e.Role,
			prefixed(" ", e.Interface), e.State+prefixed(" ", e.Error), e.Client.Address, e.Client.Port, e.Server.Address, e.Server.Port,
			e.Packets, e.Bytes, e.Protocol)
	}
	return fmt.Sprintf("%s %s %s %d", e.Type, e.Where, e.What, e.Count)
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// brief shortens what would fill a terminal, like a path of 2 kB.
func brief(s string) string {
	if len(s) <= 60 {
		return s
	}
	return fmt.Sprintf("%s...(%d bytes)", s[:50], len(s))
}

// compiled is made once: compiling the schema costs more than most tests.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(jsonl.Schema()))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("schema.json")
})

// checkSchema holds one line against the committed schema.
func checkSchema(line []byte) error {
	s, err := compiled()
	if err != nil {
		return fmt.Errorf("compile schema: %w", err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// fullCheck is the number of lines of a run that are all held against the schema; of the rest every sparseCheck-th one is,
// because validating costs ten times as much as decoding.
const (
	fullCheck   = 2000
	sparseCheck = 200
)

// decode reads line number n of a run.
func decode(line []byte, n int) (Event, error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("line %d is not JSON: %w: %.200q", n, err, line)
	}
	if n < fullCheck || n%sparseCheck == 0 || e.Type != "request" {
		if err := checkSchema(line); err != nil {
			return e, fmt.Errorf("line %d breaks the schema: %w\n%s", n, err, line)
		}
	}
	return e, nil
}
