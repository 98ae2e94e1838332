// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"bytes"
	"strconv"
	"strings"

	"sonde/agent/protocol"
)

// news takes what a server sent.
func (c *Conn) news(l *line, f *protocol.Frame) {
	switch l.verb {
	case verbInfo:
		if !c.greeted && !c.joined && !c.seen[c.client] {
			c.greeting = c.begin(c.client.Other(), f, "INFO")
			c.wait(c.greeting)
		}
		c.greeted = true
	case verbOK:
		c.settled(f, "")
	case verbErr:
		text := []byte(nil)
		if l.count > 0 {
			text = l.args[0]
		}
		c.failed(text, f)
	case verbMsg, verbHMsg:
		c.accepted(nil)
		c.deliver(l, f)
	}
}

// settled ends the oldest command that waits for +OK. It reports whether one did.
func (c *Conn) settled(f *protocol.Frame, failure string) bool {
	o := c.due[c.client].Front()
	if o == nil || o.pong {
		if failure == "" && !c.verbose { // joined: CONNECT was not seen
			c.verbose, c.quiet = true, f.End+settle
		}
		return false
	}
	e := o.e
	c.due[c.client].Pop()
	switch {
	case e == nil:
	case e.reply != "" && failure == "": // the reply is the answer
		e.owed = false
		e.request.ResponseBytes += f.Size
	default:
		c.drop(e)
		e.answer(f)
		e.fail(failure)
		c.finish(e)
	}
	return true
}

// failed takes -ERR: the answer to a command of a verbose connection or to CONNECT, or what became of a request that it
// names; else a message of its own.
func (c *Conn) failed(text []byte, f *protocol.Frame) {
	kind := errorType(text)
	if o := c.due[c.client].Front(); c.verbose && kind == "invalid_publish_subject" && o != nil && o.e != nil { // +OK follows
		o.e.fail(kind)
		o.e.answer(f)
		return
	}
	if c.verbose && c.settled(f, kind) {
		return
	}
	e := c.connect
	if p := c.calls.Oldest(); e == nil && p != nil && bytes.Contains(text, []byte(`Publish to "`+(*p).detail.Destination+`"`)) {
		e = *p
		c.drop(e)
		c.unowe(e)
	}
	if e == nil {
		e = c.begin(c.client.Other(), f, "-ERR")
		e.request.RequestBytes, e.request.ResponseBytes = 0, f.Size
		e.fail(kind)
		c.alone(e)
		return
	}
	if e == c.connect {
		c.connect = nil
	}
	e.answer(f)
	e.fail(kind)
	c.finish(e)
}

// deliver takes MSG and HMSG.
func (c *Conn) deliver(l *line, f *protocol.Frame) {
	sub := c.subs[string(l.args[1])]
	if sub != nil && sub.left > 0 {
		if sub.left--; sub.left == 0 {
			defer delete(c.subs, string(l.args[1]))
		}
	}
	status := status(l, f.Head)
	subject, reply := l.subjects(l.reply())
	if e := c.caller(subject, sub, status); e != nil {
		e.answer(f)
		e.result(l, f, status)
		c.finish(e)
		return
	}
	e := c.begin(c.client.Other(), f, apis[l.verb])
	if status == "" {
		e.detail.Operation, e.detail.OperationType = "receive", "receive"
	}
	e.describe(subject, l, f)
	if sub != nil {
		e.detail.Group = sub.group
	}
	if reply == "" || len(reply) > maxName || strings.HasPrefix(reply, ackPrefix) {
		c.alone(e)
		return
	}
	c.wait(e)
	if old, replaced := c.served.Add(reply, e); replaced {
		c.alone(old)
	}
}

// caller takes the request that a delivery answers, nil when there is none. A pull is answered by messages of the stream,
// with their own subjects: they come through the subscription to its reply subject.
func (c *Conn) caller(subject string, sub *subscription, status string) *exchange {
	if status == statusIdle {
		return nil
	}
	key := subject
	if sub != nil && sub.waiting == 1 && !matches(sub.pattern, subject) {
		key = sub.asked
	}
	e, ok := c.calls.Take(key)
	if !ok {
		return nil
	}
	e.release()
	c.unowe(e)
	return e
}

const statusIdle = "100"

// status returns the status of a message without a payload that a server sent itself: "NATS/1.0 503". "" when it has none.
func status(l *line, head []byte) string {
	const version = "NATS/1.0"
	if l.verb != verbHMsg {
		return ""
	}
	p, ok := bytes.CutPrefix(head[l.size:], []byte(version))
	if !ok {
		return ""
	}
	p = bytes.TrimLeft(p, " ")
	if len(p) < 3 {
		return ""
	}
	if _, ok := number(p[:3]); !ok {
		return ""
	}
	return string(p[:3])
}

// result reads what an answer says of the request.
func (e *exchange) result(l *line, f *protocol.Frame, status string) {
	switch {
	case status == "404" || status == "408": // a pull that found nothing
		e.detail.Messages = 0
		return
	case status == "503":
		e.fail("no_responders")
		e.request.ErrorType = status
		return
	case status >= "400":
		e.fail(status)
		return
	}
	if e.detail.Operation == "poll" {
		e.detail.Messages = 1
		return
	}
	if body := f.Head[l.size:]; l.header == 0 && len(body) > 0 && body[0] == '{' {
		e.jetStream(body)
	}
}

// jetStream reads the answer of a stream: {"stream":"S","seq":1} to a publication, {"error":{"code":..,"err_code":..}} or
// {"type":"io.nats.jetstream.api...","error":{..}}. Other objects are somebody else's.
func (e *exchange) jetStream(body []byte) {
	switch {
	case bytes.HasPrefix(body, []byte(`{"stream":`)):
		if n, err := strconv.ParseInt(digitsAfter(body, `"seq":`), 10, 64); err == nil {
			e.detail.Offset = n
		}
	case bytes.HasPrefix(body, []byte(`{"error":{"code":`)),
		bytes.HasPrefix(body, []byte(`{"type":"io.nats.jetstream.api.`)) && bytes.Contains(body, []byte(`"error":{`)):
		for _, key := range []string{`"err_code":`, `"code":`} {
			if text := digitsAfter(body, key); text != "" {
				e.fail(text)
				return
			}
		}
	}
}

// digitsAfter returns the digits behind a key, at most 19 of them.
func digitsAfter(p []byte, key string) string {
	i := bytes.Index(p, []byte(key))
	if i < 0 {
		return ""
	}
	p = bytes.TrimLeft(p[i+len(key):], " ")
	n := 0
	for n < len(p) && n < 19 && '0' <= p[n] && p[n] <= '9' {
		n++
	}
	return string(p[:n])
}
