// SPDX-License-Identifier: Apache-2.0

package summary

import (
	_ "embed" // schema.json is part of the binary, so that a user can hold output against the version that wrote it
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode"

	"sonde/agent/model"
)

//go:embed schema.json
var schema string

// Schema returns the JSON Schema (draft 2020-12) of one line.
func Schema() string { return schema }

// line is a group in JSON. Fields may be added, never renamed.
type line struct {
	Type       string            `json:"type"`
	Of         string            `json:"of"`
	From       time.Time         `json:"from"`
	To         time.Time         `json:"to"`
	By         map[string]string `json:"by"`
	Other      bool              `json:"other,omitempty"`
	Count      uint64            `json:"count"`
	Rate       float64           `json:"rate"`
	Errors     uint64            `json:"errors"`
	Incomplete uint64            `json:"incomplete"`
	P50        int64             `json:"p50_ns,omitempty"`
	P95        int64             `json:"p95_ns,omitempty"`
	P99        int64             `json:"p99_ns,omitempty"`
	Max        int64             `json:"max_ns,omitempty"`
	Bytes      uint64            `json:"bytes"`
}

// WriteJSON writes one object for each group, "(other)" last. clock turns time since boot into wall time.
func (r *Report) WriteJSON(out io.Writer, clock model.Clock) error {
	groups := r.Groups
	if r.Other != nil {
		groups = append(groups[:len(groups):len(groups)], r.Other)
	}
	var b []byte
	for _, g := range groups {
		text, err := json.Marshal(r.line(g, clock))
		if err != nil {
			return fmt.Errorf("summary: %w", err)
		}
		b = append(appendHarmless(b, text), '\n')
	}
	_, err := out.Write(b)
	return err
}

func (r *Report) line(g *Group, clock model.Clock) *line {
	l := &line{
		Type: "summary", Of: r.of(), From: clock.Wall(r.From).UTC(), To: clock.Wall(r.To).UTC(), By: map[string]string{},
		Other: g == r.Other, Count: g.Count, Rate: math.Round(r.Rate(g)*1000) / 1000, Errors: g.Errors, Incomplete: g.Incomplete, Bytes: g.Bytes,
		P50: int64(g.Durations.Quantile(0.5)), P95: int64(g.Durations.Quantile(0.95)), P99: int64(g.Durations.Quantile(0.99)),
		Max: int64(g.Durations.Max()),
	}
	for i, v := range g.Values {
		if v != "" {
			l.By[r.By[i]] = v
		}
	}
	return l
}

func (r *Report) of() string {
	if r.Flows {
		return "flow"
	}
	return "request"
}

// appendHarmless escapes what JSON lets pass and a terminal does not: DEL, the controls of C1, marks that turn the direction
// of text.
func appendHarmless(b, text []byte) []byte {
	for _, c := range string(text) {
		if c < 0x7f || c > 0x9f && (unicode.IsPrint(c) || c > 0xffff) {
			b = append(b, string(c)...)
			continue
		}
		b = append(b, `\u`...)
		hex := strconv.FormatInt(int64(c), 16)
		for range 4 - len(hex) {
			b = append(b, '0')
		}
		b = append(b, hex...)
	}
	return b
}
