// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"sonde/agent/model"
)

// gRPC status codes that follow from something else than a grpc-status.
const (
	statusOK                = 0
	statusCancelled         = 1
	statusUnknownError      = 2
	statusDeadlineExceeded  = 4
	statusPermissionDenied  = 7
	statusResourceExhausted = 8
	statusUnimplemented     = 12
	statusInternal          = 13
	statusUnavailable       = 14
	statusDataLoss          = 15
	statusUnauthenticated   = 16
)

var statusNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
	"UNAUTHENTICATED",
}

// contentOf tells whether a content-type is that of gRPC. gRPC-Web is not: it has its trailers in the body.
func contentOf(b []byte) content {
	const grpc = "application/grpc"
	if len(b) < len(grpc) || !strings.EqualFold(string(b[:len(grpc)]), grpc) {
		return contentOther
	}
	if len(b) == len(grpc) || b[len(grpc)] == '+' || b[len(grpc)] == ';' || b[len(grpc)] == ' ' {
		return contentGRPC
	}
	return contentOther
}

// grpcTimeout reads a grpc-timeout: at most eight digits and a unit. 0 when it is none; a deadline that had passed when the call
// was sent is a nanosecond.
func grpcTimeout(b []byte) time.Duration {
	if len(b) < 2 || len(b) > 9 {
		return 0
	}
	n := number(b[:len(b)-1])
	if n < 0 {
		return 0
	}
	unit := time.Duration(0)
	switch b[len(b)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	}
	if unit == time.Hour { // 99,999,999 hours are more than a Duration holds
		n = min(n, 1<<21)
	}
	return max(time.Duration(n)*unit, min(unit, 1))
}

// grpcMessage decodes a grpc-message: "%" and two digits stand for a byte, anything else for itself.
func grpcMessage(s *shared, b []byte) string {
	if bytes.IndexByte(b, '%') < 0 {
		return s.intern(b, model.MaxText)
	}
	out := make([]byte, 0, min(len(b), model.MaxText))
	for i := 0; i < len(b) && len(out) < model.MaxText; i++ {
		c := b[i]
		if c == '%' && i+2 < len(b) {
			if v, err := strconv.ParseUint(string(b[i+1:i+3]), 16, 8); err == nil {
				c = byte(v)
				i += 2
			}
		}
		out = append(out, c)
	}
	return s.intern(out, model.MaxText)
}

// prefixSize is the number of bytes in front of a message: a flag and its length.
const prefixSize = 5

// messages counts the messages of a direction of a call.
type messages struct {
	prefix [prefixSize]byte
	have   uint8  // bytes in prefix
	left   uint64 // bytes of the message at hand
	count  uint64
	off    bool // out of step
	missed bool // messages may have passed uncounted
	ended  bool
	frame  uint64 // bytes of the DATA frame that begins; 0 inside of it
}

// begin is called before the payload of a DATA frame, which has n bytes.
func (m *messages) begin(n uint64) { m.frame = n }

func (m *messages) feed(p []byte) {
	n := m.frame
	if m.frame = 0; m.off {
		if len(p) < prefixSize || p[0] > 1 || prefixSize+uint64(binary.BigEndian.Uint32(p[1:])) != n {
			return
		}
		m.off, m.have, m.left = false, 0, 0 // a message that fills its frame: most do
	}
	for len(p) > 0 && !m.off {
		if m.left > 0 {
			n := min(m.left, uint64(len(p)))
			m.left -= n
			p = p[n:]
			continue
		}
		n := copy(m.prefix[m.have:], p)
		m.have += uint8(n)
		p = p[n:]
		if m.have < prefixSize {
			return
		}
		if m.prefix[0] > 1 { // compressed or not; anything else is no prefix
			m.lose()
			return
		}
		m.count++
		m.have, m.left = 0, uint64(binary.BigEndian.Uint32(m.prefix[1:]))
	}
}

func (m *messages) skip(n uint64) {
	if m.frame = 0; n > m.left || m.have > 0 {
		m.lose()
		return
	}
	m.left -= n
}

// lose says that data may have passed unseen, unless the direction had ended.
func (m *messages) lose() {
	if !m.ended {
		m.off, m.missed = true, true
	}
}

func (m *messages) end() { m.ended = true }

// tile tells whether what has passed were messages and nothing else, up to the end of one.
func (m *messages) tile() bool { return m.count > 0 && !m.missed && m.have == 0 && m.left == 0 }

// tellCall takes a request whose content type refers to a field from before the connection was joined for a call when its data
// are messages. Else all calls of an old connection were HTTP, and with status 200 a success whatever became of them.
func (st *stream) tellCall() {
	ask, answer := &st.calls[0], &st.calls[1]
	if st.content != contentUnsaid || ask.missed || answer.missed || !ask.tile() && !answer.tile() {
		return
	}
	if m := st.http.Method; m == "POST" || m == "" {
		st.content = contentGRPC
	}
}

// setCall fills in what is known of a call when it is reported.
func (st *stream) setCall() {
	r := &st.rpc
	r.Method = strings.TrimPrefix(st.http.Path, "/")
	r.RequestMessages, r.ResponseMessages = st.calls[0].count, st.calls[1].count
	r.MessagesUncounted = st.calls[0].missed || st.calls[1].missed
}

// infer sets the status that gRPC's rules give a call without one.
func (st *stream) infer(status int) { st.rpc.Status, st.rpc.StatusInferred = status, true }

// finishCall decides what became of a call whose answer has ended.
func (c *conn) finishCall(st *stream) {
	switch {
	case st.grpc && st.rpc.Status >= 0:
	case st.grpc: // what is no number is UNKNOWN
		st.infer(statusUnknownError)
	case st.unsure:
		st.request.Outcome, st.request.Reason = model.OutcomeIncomplete, statusUnknown
		return
	default:
		st.infer(statusOfHTTP(st.http.Status))
	}
	c.judge(st)
}

// resetCall reports a call that one side gave up.
func (c *conn) resetCall(st *stream, code errorCode, t time.Duration) {
	if !st.grpc || st.rpc.Status < 0 {
		status := statusOfCode(code)
		if code == codeCancel && st.late(t) {
			status = statusDeadlineExceeded
		}
		st.infer(status)
	}
	c.judge(st)
	c.emit(st, t)
}

// late tells whether the deadline of a call had passed at time t. A client gives a call up when its own clock says so: what
// is seen may be a little earlier, by what its HEADERS took longer than its RST_STREAM.
func (st *stream) late(t time.Duration) bool {
	limit := st.rpc.Timeout
	return limit > 0 && t-st.request.Start >= limit-limit/100-time.Millisecond
}

// resetStatusKnown tells whether a RST_STREAM says how a call ended. CANCEL is sent at the deadline too, which may be among the
// fields that were not seen.
func (st *stream) resetStatusKnown(code errorCode) bool {
	deadlineUnseen := st.http.HeadTruncated && st.rpc.Timeout == 0
	return code != codeUnseen && (code != codeCancel || !deadlineUnseen || st.rpc.Status >= 0)
}

// unavailable sets the status that a client gives a call whose connection ended.
func (st *stream) unavailable(reason string) {
	switch reason {
	case "connection_closed", "connection_reset", "timeout", "goaway":
		st.infer(statusUnavailable)
	}
}

// judge sets the outcome by the status. The conventions call an error of a server what is the server's fault, an error of
// a client what is not OK.
func (c *conn) judge(st *stream) {
	r, status := &st.request, st.rpc.Status
	r.Outcome, r.ErrorType = model.OutcomeOK, ""
	switch {
	case status == statusOK:
		return
	case c.shared.env.View(c.role()) == model.RoleServer:
		switch status {
		case statusCancelled, 3, 5, 6, statusPermissionDenied, statusResourceExhausted, 9, 10, 11, statusUnauthenticated:
			return
		}
	}
	r.Outcome, r.ErrorType = model.OutcomeError, statusNames[statusUnknownError]
	if status < len(statusNames) {
		r.ErrorType = statusNames[status]
	}
}

// statusOfCode is gRPC's mapping of RST_STREAM codes ("Errors" in PROTOCOL-HTTP2 of gRPC).
func statusOfCode(code errorCode) int {
	switch {
	case code == codeRefused:
		return statusUnavailable
	case code == codeCancel:
		return statusCancelled
	case code == codeCalm:
		return statusResourceExhausted
	case code == codeInadequate:
		return statusPermissionDenied
	case code.String() == "":
		return statusUnknownError
	}
	return statusInternal
}

// statusOfHTTP is gRPC's mapping of HTTP status codes of answers without a grpc-status.
func statusOfHTTP(status int) int {
	switch status {
	case 400:
		return statusInternal
	case 401:
		return statusUnauthenticated
	case 403:
		return statusPermissionDenied
	case 404:
		return statusUnimplemented
	case 429, 502, 503, 504:
		return statusUnavailable
	}
	return statusUnknownError
}
