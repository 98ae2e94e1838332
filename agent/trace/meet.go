// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"time"

	"sonde/agent/model"
)

// endKey is what both ends of a connection agree on about a request, also where addresses are rewritten between them: sequence
// numbers pass NAT as they are, and so do the ports of clients as long as they are free where they are rewritten to.
type endKey struct {
	seq, stream uint32
	port        uint32 // of the client, and pushedKey
}

// pushedKey tells the two directions apart, which have sequence numbers of their own.
const pushedKey = 1 << 16

func keyOfEnd(s *model.Started) endKey {
	k := endKey{s.Seq, s.Stream, uint32(s.Client.Port())}
	if s.Pushed {
		k.port |= pushedKey
	}
	return k
}

// maxTranslated is how long the two ends of a connection with different addresses may see the first byte apart. A segment that
// was lost between them takes longer: then they are not joined.
const maxTranslated = 100 * time.Millisecond

// meet joins the two ends of a connection: whichever is seen second finds the first.
func (t *Tracer) meet(r *request) {
	end := endOf(r.role)
	o := t.ends[1-end][r.ends]
	if o == nil || !r.sameAddresses(o) && (t.ends[end][r.ends] != nil || !r.translated(o)) {
		t.list(r)
		return
	}
	delete(t.ends[1-end], r.ends)
	o.listed = false
	client, server := r, o
	if end == 1 {
		client, server = o, r
	}
	switch {
	case r.pushed: // it went the other way
		t.link(client, server, model.EvidenceConnection)
	case server.sealed:
		t.stats.Late++
	case server.carries && (!client.carries || client.context.TraceID != server.context.TraceID):
	case server.carries && client.id == server.context.SpanID:
		t.link(server, client, model.EvidenceHeader)
	default:
		t.link(server, client, model.EvidenceConnection)
	}
}

// list has a request wait for its other end. Where one of the same role waits for the same, addresses have to tell which it is.
func (t *Tracer) list(r *request) {
	waiting := t.ends[endOf(r.role)]
	if o := waiting[r.ends]; o != nil {
		o.listed, r.rivals = false, true
	}
	waiting[r.ends], r.listed = r, true
}

// sameAddresses tells whether two requests with the same endKey are the ends of one connection that nothing rewrites.
func (r *request) sameAddresses(o *request) bool {
	return o.tuple == r.tuple && (!r.server.IsLoopback() || o.netns == r.netns)
}

// translated tells whether two requests with the same endKey are the ends of one connection that passes NAT. It rewrites the
// server's address for the client's end, which calls one that is no host's (DNAT), or the client's for the server's end, where
// it goes out by another one (SNAT). It takes that nobody else is in question, and that both ends see the byte at about the same
// time. Requests that are not one would have the same address at one end, the same ports, and by chance the same 32 bits of a
// sequence number: the kernel begins those of each connection at random.
func (r *request) translated(o *request) bool {
	near := o.netns == r.netns // loopback addresses are those of a namespace
	sameClient := o.client == r.client && r.client.IsValid() && (near || !r.client.IsLoopback())
	sameServer := o.server == r.server && o.port == r.port && r.server.IsValid() && (near || !r.server.IsLoopback())
	apart := max(r.start-o.start, o.start-r.start)
	return (sameClient || sameServer) && !o.rivals && apart <= maxTranslated
}
