// SPDX-License-Identifier: Apache-2.0

package text

import (
	"strconv"
	"strings"

	"sonde/agent/model"
	"sonde/agent/units"
	"sonde/exporters/semconv"
)

// maxWords bounds a query in a line of text; JSON has all of it.
const maxWords = 120

// appendTarget adds what was asked: "GET /path", "A shop.example", "SELECT cart", "Produce orders".
func appendTarget(b []byte, r *model.Request) []byte {
	switch {
	case r.RPC != nil:
		return units.AppendEscaped(b, r.RPC.Method)
	case r.HTTP != nil:
		return appendPair(b, r.HTTP.Method, r.HTTP.Path)
	case r.DNS != nil:
		return appendPair(b, r.DNS.Type, r.DNS.Name)
	case r.DB != nil:
		return appendCommand(b, r.DB)
	case r.Messaging != nil:
		return appendMessaging(b, r.Messaging)
	case r.WebSocket != nil:
		return units.AppendEscaped(b, r.WebSocket.Path)
	case r.TLS != nil:
		return units.AppendEscaped(b, r.TLS.ServerName)
	}
	return append(b, '-')
}

func appendPair(b []byte, first, second string) []byte {
	return units.AppendEscaped(append(units.AppendEscaped(b, first), ' '), second)
}

func appendCommand(b []byte, d *model.DB) []byte {
	switch {
	case d.Query != "":
		return appendWords(b, d.Query)
	case d.Operation != "" && d.Collection != "":
		return appendPair(b, d.Operation, d.Collection)
	case d.Operation != "":
		return units.AppendEscaped(b, d.Operation)
	}
	return units.AppendEscaped(b, d.Command)
}

func appendMessaging(b []byte, d *model.Messaging) []byte {
	b = units.AppendEscaped(b, d.API)
	if d.Destination == "" && d.RoutingKey == "" {
		return b
	}
	if d.Destination != "" {
		b = units.AppendEscaped(append(b, ' '), d.Destination)
	}
	if d.RoutingKey != "" {
		b = units.AppendEscaped(append(b, ' '), d.RoutingKey)
	}
	if d.Partition >= 0 {
		b = strconv.AppendInt(append(b, '['), int64(d.Partition), 10)
		b = append(b, ']')
	}
	return b
}

// appendWords adds a text of several words, with one space between them.
func appendWords(b []byte, s string) []byte {
	from := len(b)
	for word := range strings.FieldsSeq(s) {
		if len(b) > from {
			b = append(b, ' ')
		}
		b = units.AppendEscaped(b, word[:min(len(word), maxWords)])
		if len(b)-from > maxWords {
			return append(b[:from+maxWords], "..."...)
		}
	}
	if len(b) == from {
		return append(b, '-')
	}
	return b
}

// appendStatus adds what the protocol says of the outcome: "200", "OK", "NXDOMAIN", "42P01".
func appendStatus(b []byte, r *model.Request) []byte {
	if httpStatus(r) {
		return strconv.AppendInt(b, int64(r.HTTP.Status), 10)
	}
	return units.AppendEscaped(b, statusWord(r))
}

func httpStatus(r *model.Request) bool { return r.RPC == nil && r.HTTP != nil && r.HTTP.Status != 0 }

func hasStatus(r *model.Request) bool { return httpStatus(r) || statusWord(r) != "" }

// statusWord is empty where no answer was seen. The protocols without a word for success have the outcome.
func statusWord(r *model.Request) string {
	switch {
	case r.RPC != nil:
		return semconv.RPCStatus(r.RPC.Status)
	case r.DNS != nil:
		return r.DNS.RCode
	case r.DB != nil && r.DB.Status != "":
		return r.DB.Status
	case r.Messaging != nil && r.Messaging.Error != "":
		return r.Messaging.Error
	case r.TLS != nil && r.TLS.Alert != "":
		return r.TLS.Alert
	case r.TLS != nil && r.TLS.Version != "":
		return r.TLS.Version
	case r.OneWay:
		return "sent"
	case (r.DB != nil || r.Messaging != nil || r.WebSocket != nil || r.TLS != nil) && r.Outcome != model.OutcomeIncomplete:
		return r.Outcome.String()
	}
	return ""
}
