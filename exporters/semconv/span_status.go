// SPDX-License-Identifier: Apache-2.0

package semconv

import "sonde/agent/model"

// SpanStatus is the status of a span, with OTLP's numbers. There is no Ok: it is for people who overrule instrumentation.
type SpanStatus uint8

// A span without an error has no status.
const (
	StatusUnset SpanStatus = 0
	StatusError SpanStatus = 2
)

// StatusOf returns the status of r's span and a description, "" where a code says it all.
//
// An exchange whose end was not observed is no error: sonde may have stopped, or lost the rest of it. Neither is one that
// the client gave up. One that the network or the other side ended is.
func StatusOf(r *model.Request) (SpanStatus, string) {
	switch {
	case r.Outcome == model.OutcomeIncomplete:
		return incompleteStatus(r), ""
	case r.RPC != nil:
		return rpcStatusOf(r)
	case r.HTTP != nil:
		return httpStatusOf(r), ""
	case r.Outcome != model.OutcomeError:
		return StatusUnset, ""
	case r.DB != nil:
		return StatusError, r.DB.Message
	case r.DNS != nil && r.Role == model.RoleServer && r.ErrorType == "nxdomain":
		return StatusUnset, "" // the right answer
	}
	return StatusError, ""
}

func incompleteStatus(r *model.Request) SpanStatus {
	switch r.Reason {
	case "connection_reset", "connection_closed", "stream_reset", "timeout":
		return StatusError
	}
	return StatusUnset
}

// httpStatusOf: 4xx is an error of the client alone, and a number that is no status an error of both.
func httpStatusOf(r *model.Request) SpanStatus {
	status := r.HTTP.Status
	if status == 0 && r.Outcome == model.OutcomeError || status >= errorStatus(r.Role) || status != 0 && status < 100 {
		return StatusError
	}
	return StatusUnset
}

// rpcStatusOf: a server is to blame for some codes only, a client sees each but OK as an error.
func rpcStatusOf(r *model.Request) (SpanStatus, string) {
	code := r.RPC.Status
	if code <= 0 && r.Outcome != model.OutcomeError || code == 0 {
		return StatusUnset, ""
	}
	if r.Role != model.RoleClient && code > 0 {
		switch RPCStatus(code) {
		case "UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS":
		default:
			return StatusUnset, ""
		}
	}
	return StatusError, r.RPC.Message
}
