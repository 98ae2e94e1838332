// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Limits of what is kept.
const (
	QueryTimeout = 10 * time.Second // after which a query is no longer waited for; resolvers have given up by then
	MaxWaiting   = 512              // queries of a connection that wait for their answer
	MaxAnswers   = 64               // records of an answer that are kept as text
	maxDone      = 8                // keys of answered queries that are remembered, for answers that come twice
	maxFree      = 256              // unused exchanges and dialogues that are kept
)

// shared is what the parsers of one engine have in common.
type shared struct {
	env     *protocol.Env
	msg     message
	request model.Request
	detail  model.DNS
	text    []byte // the name and the answers of one exchange, which become one string
	ends    []int  // where each of them ends

	freeExchanges []*exchange
	freeDialogues []*dialogue
}

// key is what an answer has in common with its query.
type key struct {
	id, typ, class uint16
	dir            protocol.Dir // of the query
	name           uint64       // hashName
}

// exchange is a query that waits for its answer.
type exchange struct {
	key           key
	name          []byte // as queried
	opcode        uint16
	edns, several bool // several: multicast
	udpSize       uint16
	retries       int
	start         time.Duration
	end           time.Duration
	last          time.Duration // when it was sent for the last time
	bytes         uint64

	// A zone transfer, whose answer has begun.
	answerStart, answerEnd time.Duration
	answerBytes            uint64
	answered               uint64 // messages
	soas, records          int
	flags                  uint16
}

func (sh *shared) exchange() *exchange {
	if n := len(sh.freeExchanges); n > 0 {
		x := sh.freeExchanges[n-1]
		sh.freeExchanges = sh.freeExchanges[:n-1]
		return x
	}
	return &exchange{}
}

func (sh *shared) giveBack(x *exchange) {
	if len(sh.freeExchanges) < maxFree {
		*x = exchange{name: x.name[:0]}
		sh.freeExchanges = append(sh.freeExchanges, x)
	}
}

func (sh *shared) open(t model.Transport, s protocol.Start) *dialogue {
	d := &dialogue{waiting: protocol.NewByID[key, *exchange](MaxWaiting)}
	if n := len(sh.freeDialogues); n > 0 {
		d, sh.freeDialogues = sh.freeDialogues[n-1], sh.freeDialogues[:n-1]
	}
	d.shared, d.transport, d.joined = sh, t, s.Joined
	return d
}

// close takes a dialogue back.
func (sh *shared) close(d *dialogue) {
	for x, ok := d.waiting.Pop(); ok; x, ok = d.waiting.Pop() {
		sh.giveBack(x)
	}
	if len(sh.freeDialogues) < maxFree {
		*d = dialogue{waiting: d.waiting}
		sh.freeDialogues = append(sh.freeDialogues, d)
	}
}

// report fills the request that an exchange makes. m is its answer, nil when there is none; it may be cut.
func (sh *shared) report(x *exchange, m *message) *model.Request {
	sh.text, sh.ends = append(sh.text[:0], x.name...), append(sh.ends[:0], len(x.name))
	d := &sh.detail
	*d = model.DNS{
		Answers: d.Answers[:0], Addrs: d.Addrs[:0], TTLs: d.TTLs[:0],
		ID: x.key.id, Type: typeName(x.key.typ), Class: className(x.key.class), Opcode: opcodeName(x.opcode),
		Retries: x.retries, EDNS: x.edns, UDPSize: x.udpSize, Multicast: x.several,
	}
	sh.request = model.Request{
		Protocol: model.ProtocolDNS, Role: protocol.RoleOf(x.key.dir), Start: x.start,
		RequestEnd: x.end, RequestBytes: x.bytes, DNS: d,
	}
	if m != nil {
		sh.answer(x, m)
	}
	all := string(sh.text)
	d.Name = all[:sh.ends[0]]
	for i := 1; i < len(sh.ends); i++ {
		d.Answers = append(d.Answers, all[sh.ends[i-1]:sh.ends[i]])
	}
	return &sh.request
}

// answer adds what an answer says.
func (sh *shared) answer(x *exchange, m *message) {
	d := &sh.detail
	code := m.flags & 15
	if _, upper, ok := optOf(m); ok {
		code |= upper
	}
	sh.rcode(code, m.flags)
	d.Records = int(m.counts[answers])
	if m.opcode() == opcodeUpdate { // these are prerequisites, sent back
		return
	}
	for c := m.cursor(); len(sh.ends) <= MaxAnswers; {
		r, ok := c.next()
		if !ok || r.section != answers {
			return
		}
		if a, ok := addressOf(m.p, r); ok {
			d.Addrs = append(d.Addrs, a)
		}
		sh.text = appendAnswer(sh.text, m.p, r, x.key.typ)
		sh.ends = append(sh.ends, len(sh.text))
		d.TTLs = append(d.TTLs, r.ttl)
	}
}

func (sh *shared) rcode(code, flags uint16) {
	d, r := &sh.detail, &sh.request
	c := rcodeOf(code)
	d.RCode, r.ErrorType = c.name, c.errorType
	if code != 0 {
		r.Outcome = model.OutcomeError
	}
	d.Authoritative = flags&flagAuthoritative != 0
	d.Truncated = flags&flagTruncated != 0
	d.RecursionAvailable = flags&flagAvailable != 0
}

// appendAnswer adds a record of an answer as text: its data, and before them its type when it is neither what was asked for
// nor plain from the text.
func appendAnswer(dst, p []byte, r record, asked uint16) []byte {
	switch r.typ {
	case asked, typeA, typeAAAA, typeCNAME:
	default:
		dst = append(append(dst, typeName(r.typ)...), ' ')
	}
	return appendRecord(dst, p, r)
}
