// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"bytes"
	"strconv"

	"sonde/agent/model"
)

// searched is room for what most events say. More is allocated for long paths.
const searched = 1024

// found tells whether the texts are in what s says: all of them or any.
func (t *terms) found(s *subject) bool {
	var room [searched]byte
	said := appendSaid(room[:0], s)
	for _, text := range t.texts {
		if bytes.Contains(said, text) != t.everyText {
			return !t.everyText
		}
	}
	return t.everyText
}

// appendSaid adds in lower case what a text is looked for in. A zero byte keeps what does not belong together apart; HTTP
// method and path belong together, so that "GET /cart" is found.
func appendSaid(b []byte, s *subject) []byte {
	b = appendField(b, s.protocol.String())
	b = appendEnd(b, s.client)
	b = appendEnd(b, s.server)
	if f := s.flow; f != nil {
		b = appendField(b, f.Transport)
		b = appendField(b, f.State.String())
		b = appendField(b, f.Interface)
		return appendField(b, f.Error)
	}
	return appendRequest(b, s.request)
}

func appendEnd(b []byte, e *model.Endpoint) []byte {
	if e.Addr.IsValid() {
		from := len(b)
		b = e.Addr.AppendTo(b)
		lowerASCII(b[from:]) // zones
		b = append(b, 0)
	}
	if p := e.Process; p != nil {
		b = appendField(b, p.Name)
		b = appendField(b, p.ServiceName)
		b = appendField(b, p.Unit)
		b = appendField(b, p.ContainerID)
	}
	return b
}

func appendRequest(b []byte, r *model.Request) []byte {
	b = appendField(b, r.Outcome.String())
	b = appendField(b, r.Reason)
	b = appendField(b, r.ErrorType)
	if h := r.HTTP; h != nil {
		b = append(appendLower(b, h.Method), ' ')
		b = appendField(b, h.Path)
		b = appendField(b, h.Route)
		b = appendField(b, h.Host)
		if h.Status != 0 && r.RPC == nil {
			b = append(strconv.AppendInt(b, int64(h.Status), 10), 0)
		}
	}
	switch {
	case r.RPC != nil:
		b = appendField(b, r.RPC.Method)
		b = appendField(b, model.GRPCStatus(r.RPC.Status))
	case r.DNS != nil:
		b = append(appendLower(b, r.DNS.Type), ' ')
		b = appendField(b, r.DNS.Name)
		b = appendField(b, r.DNS.RCode)
	case r.DB != nil:
		b = appendDB(b, r.DB)
	case r.Messaging != nil:
		b = appendMessaging(b, r.Messaging)
	case r.WebSocket != nil:
		b = appendField(b, r.WebSocket.Path)
		b = appendField(b, r.WebSocket.Host)
	case r.TLS != nil:
		b = appendField(b, r.TLS.ServerName)
		b = appendField(b, r.TLS.Version)
		b = appendField(b, r.TLS.Alert)
	}
	return b
}

func appendDB(b []byte, d *model.DB) []byte {
	for _, s := range [...]string{d.System, d.Summary, d.Collection, d.Namespace, d.Procedure, d.Command, d.Status, d.Message} {
		b = appendField(b, s)
	}
	b = append(appendLower(b, d.Operation), ' ')
	return appendField(b, d.Collection)
}

func appendMessaging(b []byte, m *model.Messaging) []byte {
	for _, s := range [...]string{m.System, m.Operation, m.RoutingKey, m.Group, m.ClientID, m.Error} {
		b = appendField(b, s)
	}
	b = append(appendLower(b, m.API), ' ')
	return appendField(b, m.Destination)
}

func appendField(b []byte, s string) []byte {
	if s == "" {
		return b
	}
	return append(appendLower(b, s), 0)
}

// appendLower adds s with the letters of ASCII in lower case. Other scripts are left as they are: names on a wire are ASCII.
func appendLower(b []byte, s string) []byte {
	from := len(b)
	b = append(b, s...)
	lowerASCII(b[from:])
	return b
}

func lowerASCII(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
}
