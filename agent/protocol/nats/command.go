// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"encoding/json"
	"strings"
	"time"

	"sonde/agent/protocol"
)

// apis are the names of the verbs that begin a request.
var apis = [...]string{
	verbInfo: "INFO", verbConnect: "CONNECT", verbPub: "PUB", verbHPub: "HPUB", verbSub: "SUB", verbUnsub: "UNSUB",
	verbMsg: "MSG", verbHMsg: "HMSG", verbPing: "PING", verbErr: "-ERR",
}

// command takes what a client sent.
func (c *Conn) command(l *line, f *protocol.Frame) {
	switch l.verb {
	case verbConnect:
		c.connects(l, f)
	case verbPub, verbHPub:
		c.publish(l, f)
	case verbSub:
		e := c.begin(c.client, f, "SUB")
		e.detail.Destination, e.detail.Destinations = clip(string(l.args[0])), 1
		if l.count == 3 {
			e.detail.Group = clip(string(l.args[1]))
		}
		c.subscribe(e.detail.Destination, e.detail.Group, string(l.last(1)))
		c.send(e)
	case verbUnsub:
		e := c.begin(c.client, f, "UNSUB")
		if s := c.subs[string(l.args[0])]; s != nil {
			e.detail.Destination, e.detail.Destinations, e.detail.Group = s.pattern, 1, s.group
		}
		c.unsubscribe(l)
		c.send(e)
	}
}

// connects takes CONNECT, which begins a session and says whether commands are answered.
func (c *Conn) connects(l *line, f *protocol.Frame) {
	var options struct {
		Verbose bool   `json:"verbose"`
		Name    string `json:"name"`
	}
	options.Verbose = true // unless it says otherwise
	if json.Unmarshal(l.args[0], &options) == nil {
		c.verbose, c.name = options.Verbose, clip(options.Name)
	}
	if g := c.greeting; g != nil {
		c.greeting = nil
		g.detail.ClientID = c.name
		g.answer(f)
		c.finish(g)
	}
	c.accepted(nil)
	e := c.begin(c.client, f, "CONNECT")
	if c.verbose {
		c.send(e)
		return
	}
	c.wait(e)
	c.connect = e
}

// accepted ends a CONNECT that is not verbose: by the PONG f, or without an answer.
func (c *Conn) accepted(f *protocol.Frame) {
	e := c.connect
	if e == nil {
		return
	}
	c.connect = nil
	if f == nil {
		c.alone(e)
		return
	}
	e.request.ResponseStart, e.request.End = f.Start, f.End
	c.finish(e)
}

// send reports a command, or lets it wait for its +OK.
func (c *Conn) send(e *exchange) {
	if !c.verbose {
		c.alone(e)
		return
	}
	e.owed = true
	c.owe(c.client, owed{e: e}, e.request.Start)
}

// owe notes that the other side owes direction d an answer, which will come in order.
func (c *Conn) owe(d protocol.Dir, o owed, t time.Duration) {
	if c.blind(t) {
		c.lost(o, "lost", t)
		return
	}
	if o.e != nil {
		c.wait(o.e)
	}
	if old, full := c.due[d].Push(o); full {
		c.lost(old, "pipeline_limit", t)
		c.loseOrder(t)
	}
}

// lost gives up who waits for an answer in order.
func (c *Conn) lost(o owed, reason string, t time.Duration) {
	if o.e != nil {
		c.drop(o.e)
		c.giveUp(o.e, reason, t)
	}
}

// blind tells whether an answer in order could belong to something that was not seen.
func (c *Conn) blind(t time.Duration) bool {
	return t < c.quiet || c.side[0].Lost() || c.side[1].Lost()
}

func (c *Conn) subscribe(pattern, group, id string) {
	switch {
	case len(c.subs) >= maxSubs:
		c.partial = true
		return
	case c.subs == nil:
		c.subs = map[string]*subscription{}
	}
	c.subs[clip(id)] = &subscription{pattern: pattern, group: group}
}

// unsubscribe ends a subscription, or says after how many deliveries it ends.
func (c *Conn) unsubscribe(l *line) {
	s := c.subs[string(l.args[0])]
	if s == nil {
		return
	}
	if l.count == 2 {
		if s.left, _ = number(l.args[1]); s.left > 0 {
			return
		}
	}
	delete(c.subs, string(l.args[0]))
}

// publish takes PUB and HPUB.
func (c *Conn) publish(l *line, f *protocol.Frame) {
	e := c.begin(c.client, f, apis[l.verb])
	reply := l.reply()
	subject, replyTo := l.subjects(reply)
	e.detail.Operation, e.detail.OperationType = "publish", "send"
	e.describe(subject, l, f)
	switch {
	case strings.HasPrefix(subject, ackPrefix):
		e.settles(subject, f.Head[l.size:])
	case strings.HasPrefix(subject, apiPrefix):
		e.asks(subject)
	}
	replied := c.serve(e, subject)
	switch {
	case reply != nil && len(reply) <= maxName:
		c.call(e, replyTo)
	case !replied:
		c.send(e)
	default:
		c.shared.recycle(e)
		if c.verbose {
			c.owe(c.client, owed{}, f.Start)
		}
	}
}

// subjects returns the subject and the reply subject of a message, made of one string. The words of a line have one array
// below them: what is left of it tells where they begin.
func (l *line) subjects(reply []byte) (subject, replyTo string) {
	first := l.args[0]
	if reply == nil {
		return string(first), ""
	}
	text := string(first[:cap(first)-cap(reply)+len(reply)])
	return text[:len(first)], text[len(text)-len(reply):]
}

// serve ends the delivery that a publication replies to.
func (c *Conn) serve(e *exchange, subject string) bool {
	asked, ok := c.served.Take(subject)
	if !ok {
		return false
	}
	r := &e.request
	asked.request.ResponseStart, asked.request.End, asked.request.ResponseBytes = r.Start, r.RequestEnd, r.RequestBytes
	asked.detail.Operation, asked.detail.OperationType = "process", "process"
	c.finish(asked)
	return true
}

// call lets a publication wait for its reply, if one of the client's subscriptions would bring it here.
func (c *Conn) call(e *exchange, reply string) {
	for _, s := range c.subs {
		if matches(s.pattern, reply) {
			e.sub = s
			break
		}
	}
	if e.sub == nil && !c.partial {
		c.send(e)
		return
	}
	e.reply = reply
	if e.sub != nil {
		e.sub.waiting++
		e.sub.asked = reply
	}
	c.wait(e)
	if old, replaced := c.calls.Add(reply, e); replaced {
		old.release()
		reason := "pipeline_limit"
		if old.reply == reply {
			reason = "replaced"
		}
		c.unowe(old)
		c.giveUp(old, reason, e.request.Start)
	}
	if c.verbose {
		e.owed = true
		c.owe(c.client, owed{e: e}, e.request.Start)
	}
}

// unowe forgets who waits for an answer in order that is still to come.
func (c *Conn) unowe(e *exchange) {
	if !e.owed {
		return
	}
	for i := range c.due[c.client].Len() {
		if o := c.due[c.client].At(i); o.e == e {
			o.e = nil
		}
	}
}

// ping takes PING and PONG, which either side may send.
func (c *Conn) ping(d protocol.Dir, l *line, f *protocol.Frame) {
	if l.verb == verbPing {
		c.owe(d, owed{e: c.begin(d, f, "PING"), pong: true}, f.Start)
		return
	}
	asker := d.Other()
	if o := c.due[asker].Front(); o == nil || !o.pong {
		return
	}
	o, _ := c.due[asker].Pop()
	if c.known && asker == c.client {
		c.accepted(f)
	}
	if o.e != nil {
		o.e.answer(f)
		c.finish(o.e)
	}
}
