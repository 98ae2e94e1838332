// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"sonde/agent/model"
)

// maxLinks bounds the messages of a request whose contexts are links, as the SDKs of OpenTelemetry do.
const maxLinks = 128

// Finish sets r.Span, whether or not the request was begun here.
func (t *Tracer) Finish(r *model.Request) {
	t.stats.Finished++
	s := t.byToken(r.Begun)
	if s == nil || s.finished {
		s = t.unbegun(r)
	}
	if s.kept && !s.finished {
		t.judge(s, r.ResponseStart)
	}
	t.seal(s)
	t.stats.ByEvidence[s.evidence]++
	t.tell(s, r)
	if s.kept && !s.finished {
		t.close(s, r.End)
	}
}

// unbegun makes a request known of which nothing was told before: of protocols without beginnings, or one that found no room.
// It is no cause of others, so nothing of it is kept, but for the identifier that it may have taken.
func (t *Tracer) unbegun(r *model.Request) *request {
	s := &t.late
	*s = request{}
	c := t.connection(r.Conn)
	ordinal := t.stats.Finished
	if c != nil {
		c.name(&model.Started{Client: r.Client.Addr, Server: r.Server.Addr})
		c.later++
		s.tuple, ordinal = c.tuple, c.later
	} else {
		s.tuple = tupleOf(r.Client.Addr, r.Server.Addr)
	}
	s.role, s.start, s.server, s.client = r.Role, r.Start, r.Server.Addr.Addr(), r.Client.Addr.Addr()
	s.hash = hashOf(mix(s.tuple, ordinal^mixC), r.Start, r.Role)
	s.id = spanID(s.hash)
	if p := r.Local().Process; p != nil {
		s.pid = p.PID
	}
	if t.extract(s, r.Fields); s.carries && s.role != model.RoleServer {
		s = t.keep(s)
	}
	switch r.Role {
	case model.RoleClient:
		t.sentBy(s, c)
	case model.RoleWire:
		t.passWire(s)
	}
	return s
}

// keep gives a request a place in the table, where there is room.
func (t *Tracer) keep(s *request) *request {
	k := t.take()
	if k == nil {
		return s
	}
	index, gen := k.index, k.gen
	*k = *s
	k.index, k.gen, k.kept, k.finished, k.end = index, gen, true, true, max(t.now, s.start)
	t.remember(k)
	return k
}

func (t *Tracer) sentBy(s *request, c *connection) {
	var sender *actor
	if c != nil {
		sender, _ = c.writer(s.start)
	}
	if s.pid == 0 && sender != nil {
		s.pid = sender.key.pid
	}
	if s.carries {
		t.passOut(s)
	}
	t.decide(s, sender)
}

// tell writes a place down.
func (t *Tracer) tell(s *request, r *model.Request) {
	r.Span = model.Span{
		SpanContext: model.SpanContext{TraceID: s.trace, SpanID: s.id, Flags: model.FlagRandom},
		Parent:      s.parentID, ParentRemote: s.remote, Evidence: s.evidence, Sampled: true,
	}
	span := &r.Span
	if s.foreign {
		span.Flags, span.State = s.origin.Flags, s.origin.State
	}
	if t.config.Sampler != nil {
		t.sample(s, span)
	}
	if t.config.Silenced != nil {
		p := r.Local().Process
		span.Silenced = p != nil && t.config.Silenced(p)
	}
	if r.Messaging != nil && len(r.Messaging.Headers) > 0 && t.config.Extractor != nil {
		span.Links = t.messages(r.Messaging.Headers)
	}
}

func (t *Tracer) sample(s *request, span *model.Span) {
	t.span = span.SpanContext
	var parent *model.SpanContext
	if s.foreign {
		t.parent = s.origin
		parent = &t.parent
	}
	span.Sampled, span.Denied = t.config.Sampler.Sample(&t.span, parent), t.config.Sampler.Denies(parent)
	span.Flags &^= model.FlagSampled
	if span.Sampled {
		span.Flags |= model.FlagSampled
	}
}

// messages returns the contexts of messages.
func (t *Tracer) messages(headers [][]model.Field) []model.SpanContext {
	var links []model.SpanContext
	for _, fields := range headers {
		if c, ok := t.config.Extractor.Extract(fields); ok && c.Valid() && len(links) < maxLinks {
			links = append(links, c)
		}
	}
	return links
}
