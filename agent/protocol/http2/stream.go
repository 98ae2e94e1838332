// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// stream is a request on its way (RFC 9113 5).
type stream struct {
	request model.Request
	http    model.HTTP
	rpc     model.RPC
	fields  []model.Field // memory of request.Fields

	content   content // of the request, or else of the answer; contentUnsaid when it is not known
	calls     [2]messages
	responded bool // the head of the final answer has come
	unsure    bool // fields of the server's heads are not known
	grpc      bool // there was a grpc-status
	doubt     bool // it may have ended in a gap
	gapped    bool // the server's frames may have passed unseen
}

// headers takes a whole header block, or what has come of it.
func (c *conn) headers(d protocol.Dir, b *block, t time.Duration) {
	h := b.head
	if !c.known {
		switch {
		case h.request:
			c.known, c.client = true, d
		case h.status > 0:
			c.known, c.client = true, d.Other()
		default:
			return
		}
	}
	switch {
	case d == c.client && h.status == 0:
		if h.request {
			c.fit = protocol.FitYes
		}
		c.requestHead(b, t)
	case d != c.client && !h.request:
		if h.status > 0 {
			c.fit = protocol.FitYes
		}
		c.answerHead(d, b, t)
	}
}

// requestHead takes a block of the client: a new request, or trailers.
func (c *conn) requestHead(b *block, t time.Duration) {
	h, id := b.head, b.stream
	st := c.stream(id)
	if st == nil {
		known := h.request || c.preface && !c.side[c.client].lost // a block of which nothing is known can be nothing else
		if id <= c.last || id%2 == 0 || !known {
			return
		}
		st = c.open(id, b, t)
	}
	st.account(true, b.bytes, b.end)
	c.last = max(c.last, id)
	if b.endStream {
		st.calls[0].end()
	}
}

// open begins a request.
func (c *conn) open(id uint32, b *block, t time.Duration) *stream {
	c.settleDoubts(t)
	st, h := c.shared.stream(), b.head
	st.request.Start = b.start
	st.rpc.Stream, st.rpc.Status, st.rpc.Timeout = id, -1, h.timeout
	st.setRequest(h)
	if len(h.fields) > 0 {
		st.fields = append(st.fields, h.fields...)
		st.request.Fields = st.fields
	}
	if begin := c.shared.env.Begin; begin != nil {
		st.request.Begun = begin(protocol.Begin{Dir: c.client, At: b.at, Stream: id, Start: b.start, Fields: st.request.Fields})
	}
	if old, full := c.streams.Add(id, st); full {
		c.giveUp(old, "stream_limit", t)
	}
	return st
}

// setRequest takes what the head of a request says.
func (st *stream) setRequest(h *head) {
	d := &st.http
	*d = model.HTTP{
		Version: "2", Method: h.method, Scheme: h.scheme, Path: h.path, Query: h.query, Host: h.authority, UserAgent: h.agent,
		Upgrade: h.protocol, HeadTruncated: h.cut || h.unknown,
	}
	if d.Host == "" {
		d.Host = h.host
	}
	if d.Scheme == "" {
		d.Scheme = "http"
	}
	st.content = h.content
	if h.content == contentUnsaid && !d.HeadTruncated {
		st.content = contentOther
	}
}

// upgraded takes the request that asked for HTTP/2 by HTTP/1: it is stream 1, and has ended (RFC 7540 3.2).
func (c *conn) upgraded(r *model.Request) {
	st := c.shared.stream()
	st.request = *r
	st.request.ResponseStart, st.request.End, st.request.Reason, st.request.ErrorType = 0, 0, "", ""
	if r.HTTP != nil {
		st.http = *r.HTTP
	}
	st.http.Version, st.http.Status, st.http.Upgrade, st.content = "2", 0, "", contentOther
	st.rpc.Status = -1
	c.last = 1
	c.streams.Add(1, st)
}

// answerHead takes a block of the server: an interim answer, the final one, or trailers.
func (c *conn) answerHead(d protocol.Dir, b *block, t time.Duration) {
	h, st := b.head, c.stream(b.stream)
	if st == nil {
		return
	}
	st.account(false, b.bytes, b.end)
	if h.status >= 100 && h.status < 200 && !b.endStream {
		return
	}
	uncertain := h.cut || h.unknown
	st.unsure = st.unsure || uncertain
	switch {
	case h.status > 0 && st.http.Status == 0:
		st.http.Status, st.request.ResponseStart = h.status, b.start
		st.responded = true
	case !st.responded && uncertain && !st.gapped: // a status that is not known
		st.request.ResponseStart = b.start
		st.responded = true
	}
	st.setAnswer(h)
	if b.endStream {
		c.endStream(d, b.stream, t)
	}
}

// setAnswer takes what a head of the server says of gRPC.
func (st *stream) setAnswer(h *head) {
	if st.content == contentUnsaid && (h.content != contentUnsaid || h.grpc) {
		if st.content = h.content; h.grpc {
			st.content = contentGRPC
		}
	}
	if h.grpc {
		st.grpc, st.rpc.Status = true, h.grpcStatus
	}
	if h.grpcMessage != "" {
		st.rpc.Message = h.grpcMessage
	}
}

// account adds bytes of frames.
func (st *stream) account(client bool, n uint64, t time.Duration) {
	if client {
		st.request.RequestBytes += n
		st.request.RequestEnd = t
		return
	}
	st.request.ResponseBytes += n
	st.doubt = false
}

// data takes bytes of the payload of DATA frames.
func (st *stream) data(client bool, p []byte, t time.Duration) {
	if client {
		st.http.RequestBodyBytes += uint64(len(p))
	} else {
		st.http.ResponseBodyBytes += uint64(len(p))
	}
	if st.content == contentOther {
		return
	}
	if client {
		st.calls[0].feed(p)
		return
	}
	if m := &st.calls[1]; st.rpc.FirstMessage == 0 && m.have == 0 && !m.missed {
		st.rpc.FirstMessage = t
	}
	st.calls[1].feed(p)
}

// skip takes bytes of the payload of DATA frames that were not seen.
func (st *stream) skip(client bool, n uint64, _ time.Duration) {
	if client {
		st.http.RequestBodyBytes += n
		st.calls[0].skip(n)
		return
	}
	st.http.ResponseBodyBytes += n
	st.calls[1].skip(n)
}

// gap says that frames of the client, or of the server, may have passed unseen.
func (st *stream) gap(client bool) {
	if client {
		st.calls[0].lose()
		return
	}
	st.calls[1].lose()
	st.doubt, st.gapped = true, true
}

// endStream is called when a direction of a stream ends in order.
func (c *conn) endStream(d protocol.Dir, id uint32, t time.Duration) {
	st := c.stream(id)
	switch {
	case st == nil || !c.known:
	case d == c.client:
		st.calls[0].end()
	default:
		c.streams.Take(id)
		st.calls[1].end()
		c.finish(st, t)
	}
}

// reset is called when one side gives a stream up (RFC 9113 6.4).
func (c *conn) reset(d protocol.Dir, id uint32, code errorCode, t time.Duration) {
	st := c.stream(id)
	if st == nil || !c.known {
		return
	}
	c.streams.Take(id)
	st.doubt = false
	st.request.ErrorType = code.String()
	st.tellCall()
	if st.content == contentGRPC && st.resetStatusKnown(code) {
		c.resetCall(st, code, t)
		return
	}
	reason := "stream_reset"
	if d == c.client && (code == codeCancel || code == codeNone) {
		reason = "cancelled"
	}
	c.giveUp(st, reason, t)
}

// goAway is called when the server says that it will not process streams above last (RFC 9113 6.8).
func (c *conn) goAway(last uint32, code errorCode, t time.Duration) {
	c.giveUpAll("goaway", t, func(id uint32, st *stream) bool {
		if id <= last {
			return false
		}
		st.doubt = false
		if code != codeNone {
			st.request.ErrorType = code.String()
		}
		return true
	})
}

// settleDoubts gives up the streams that have been silent for long after a gap.
func (c *conn) settleDoubts(t time.Duration) {
	if !c.doubts || t-c.doubtAt < doubtTime {
		return
	}
	c.doubts = false
	c.giveUpAll("lost", t, func(_ uint32, st *stream) bool { return st.doubt })
}

// giveUpAll gives up the streams that are picked.
func (c *conn) giveUpAll(reason string, t time.Duration, picked func(uint32, *stream) bool) {
	ids := c.shared.ids[:0]
	c.streams.Each(func(id uint32, st **stream) {
		if picked(id, *st) {
			ids = append(ids, id)
		}
	})
	c.shared.ids = ids
	for _, id := range ids {
		if st, ok := c.streams.Take(id); ok {
			c.giveUp(st, reason, t)
		}
	}
}

// giveUp reports a request whose end was not seen.
func (c *conn) giveUp(st *stream, reason string, t time.Duration) {
	if st.doubt {
		reason = "lost"
	}
	st.tellCall()
	if st.content == contentGRPC && !st.grpc {
		st.unavailable(reason)
	}
	st.request.Outcome, st.request.Reason = model.OutcomeIncomplete, reason
	c.emit(st, t)
}

// finish reports a request whose answer has ended.
func (c *conn) finish(st *stream, t time.Duration) {
	r := &st.request
	if st.unsure {
		st.tellCall()
	}
	switch {
	case st.content == contentGRPC:
		c.finishCall(st)
	case st.http.Status == 0:
		r.Outcome, r.Reason = model.OutcomeIncomplete, statusUnknown
	default:
		r.Outcome = httpOutcome(c.shared.env.View(c.role()), st.http.Status)
	}
	c.emit(st, t)
}

// statusUnknown is the reason of requests whose answer was seen to its end, but not whether it was an error.
const statusUnknown = "status_unknown"

func (c *conn) role() model.Role { return protocol.RoleOf(c.client) }

// httpOutcome follows the conventions for span status: a client's mistake is no failure of the server.
func httpOutcome(role model.Role, status int) model.Outcome {
	if status >= 500 || status >= 400 && role == model.RoleClient {
		return model.OutcomeError
	}
	return model.OutcomeOK
}

// emit hands a request on and takes its memory back.
func (c *conn) emit(st *stream, t time.Duration) {
	r := &st.request
	r.Protocol, r.Role, r.HTTP, r.RPC, r.End = model.ProtocolHTTP, c.role(), &st.http, nil, t
	if st.content == contentGRPC {
		r.Protocol, r.RPC = model.ProtocolGRPC, &st.rpc
		st.setCall()
	}
	c.shared.env.Emit(r)
	c.shared.recycle(st)
}
