// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const (
	sent     = protocol.Sent
	received = protocol.Received
	ms       = time.Millisecond
)

// observed is what a parser reported.
type observed struct {
	t       *testing.T
	parser  protocol.Parser
	got     []model.Request
	resyncs int
	now     time.Duration
}

func observe(t *testing.T, spec protocol.Spec, s protocol.Start) *observed {
	o := &observed{t: t}
	env := &protocol.Env{Resync: func(model.Protocol) { o.resyncs++ }, Emit: func(r *model.Request) {
		c, d := *r, *r.DNS
		d.Answers, d.Addrs, d.TTLs = slices.Clone(d.Answers), slices.Clone(d.Addrs), slices.Clone(d.TTLs)
		c.DNS = &d
		o.got = append(o.got, c)
	}}
	o.parser = spec.Setup(env)(s)
	return o
}

// feed passes bytes one millisecond after what passed before.
func (o *observed) feed(d protocol.Dir, p []byte) *observed {
	o.now += ms
	o.parser.Feed(d, p, o.now)
	return o
}

func (o *observed) skip(d protocol.Dir, n uint64) *observed {
	o.now += ms
	o.parser.Skip(d, n, o.now)
	return o
}

func (o *observed) close(reason string) *observed {
	o.parser.Close(protocol.Close{Time: o.now, Reason: reason})
	o.parser.Release()
	return o
}

// lines is what was reported, a line for each request.
func (o *observed) lines() string {
	var b strings.Builder
	for _, r := range o.got {
		d := r.DNS
		fmt.Fprintf(&b, "%s %s %s %s %s %s %v", r.Role, d.Name, d.Type, r.Outcome, d.RCode, r.Reason, d.Answers)
		if d.Retries > 0 {
			fmt.Fprintf(&b, " retries=%d", d.Retries)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (o *observed) want(lines ...string) *observed {
	o.t.Helper()
	want := ""
	for _, l := range lines {
		want += l + "\n"
	}
	if got := o.lines(); got != want {
		o.t.Errorf("got\n%swant\n%s", got, want)
	}
	return o
}

// query builds a query; answer the answer to it, with changes of the header.
func query(id uint16, name string, typ dnsmessage.Type) []byte {
	return pack(dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: question(name, typ)})
}

func question(name string, typ dnsmessage.Type) []dnsmessage.Question {
	return []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}}
}

func answer(id uint16, name string, typ dnsmessage.Type, code dnsmessage.RCode, bodies ...dnsmessage.ResourceBody) []byte {
	m := dnsmessage.Message{Questions: question(name, typ),
		Header: dnsmessage.Header{ID: id, Response: true, RecursionDesired: true, RecursionAvailable: true, RCode: code}}
	for i, b := range bodies {
		m.Answers = append(m.Answers, dnsmessage.Resource{Body: b, Header: dnsmessage.ResourceHeader{
			Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: uint32(60 + i)}})
	}
	return pack(m)
}

func pack(m dnsmessage.Message) []byte {
	p, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return p
}

// framed puts the length before a message, as TCP does.
func framed(messages ...[]byte) (out []byte) {
	for _, m := range messages {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(m))), m...)
	}
	return out
}

var (
	typeAAAAQuery = dnsmessage.TypeAAAA
	one           = &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}
	two           = &dnsmessage.AResource{A: [4]byte{192, 0, 2, 2}}
)

func a(id uint16, name string) []byte { return query(id, name, dnsmessage.TypeA) }

func ok(id uint16, name string) []byte { return answer(id, name, dnsmessage.TypeA, 0, one) }

func TestAnswerIsMatchedByIdentifierAndQuestion(t *testing.T) {
	tests := []struct {
		name string
		do   func(o *observed)
		want []string
	}{
		{"query and answer", func(o *observed) {
			o.feed(sent, a(1, "a.example.")).feed(received, ok(1, "a.example."))
		}, []string{"client a.example A ok NOERROR  [192.0.2.1]"}},
		{"observed at the server", func(o *observed) {
			o.feed(received, a(1, "a.example.")).feed(sent, ok(1, "a.example."))
		}, []string{"server a.example A ok NOERROR  [192.0.2.1]"}},
		{"A and AAAA from one socket, answered in the other order", func(o *observed) {
			o.feed(sent, a(1, "a.example.")).feed(sent, query(2, "a.example.", typeAAAAQuery))
			o.feed(received, answer(2, "a.example.", typeAAAAQuery, 0)).feed(received, ok(1, "a.example."))
		}, []string{"client a.example AAAA ok NOERROR  []", "client a.example A ok NOERROR  [192.0.2.1]"}},
		{"the same identifier for different questions", func(o *observed) {
			o.feed(sent, a(7, "a.example.")).feed(sent, a(7, "b.example."))
			o.feed(received, ok(7, "b.example.")).feed(received, ok(7, "a.example."))
		}, []string{"client b.example A ok NOERROR  [192.0.2.1]", "client a.example A ok NOERROR  [192.0.2.1]"}},
		{"a query sent again is one request", func(o *observed) {
			o.feed(sent, a(1, "a.example.")).feed(sent, a(1, "a.example.")).feed(sent, a(1, "a.example."))
			o.feed(received, ok(1, "a.example."))
		}, []string{"client a.example A ok NOERROR  [192.0.2.1] retries=2"}},
		{"an answer that comes twice counts once", func(o *observed) {
			o.feed(sent, a(1, "a.example.")).feed(received, ok(1, "a.example.")).feed(received, ok(1, "a.example."))
		}, []string{"client a.example A ok NOERROR  [192.0.2.1]"}},
		{"an answer that nobody asked for is passed over", func(o *observed) {
			o.feed(sent, a(1, "a.example.")).feed(received, ok(2, "evil.example.")).feed(received, ok(1, "a.example."))
		}, []string{"client a.example A ok NOERROR  [192.0.2.1]"}},
		{"an answer with the identifier of another name is passed over", func(o *observed) {
			o.feed(sent, a(1, "a.example.")).feed(received, ok(1, "evil.example.")).close("timeout")
		}, []string{"client a.example A incomplete  timeout []"}},
		{"an answer from the client's side is passed over", func(o *observed) {
			o.feed(sent, a(1, "a.example.")).feed(sent, ok(1, "a.example.")).close("timeout")
		}, []string{"client a.example A incomplete  timeout []"}},
		{"case of letters does not count and is kept as queried", func(o *observed) {
			o.feed(sent, a(1, "Us.V27.DiStRiBuTeD.NET.")).feed(received, ok(1, "us.v27.distributed.net."))
		}, []string{"client Us.V27.DiStRiBuTeD.NET A ok NOERROR  [192.0.2.1]"}},
		{"no such name", func(o *observed) {
			o.feed(sent, a(1, "a.example.")).feed(received, answer(1, "a.example.", dnsmessage.TypeA, dnsmessage.RCodeNameError))
		}, []string{"client a.example A error NXDOMAIN  []"}},
		{"refused without repeating the question", func(o *observed) {
			o.feed(sent, a(258, "a.example.")).feed(received, []byte{1, 2, 0x80, 5, 0, 0, 0, 0, 0, 0, 0, 0})
		}, []string{"client a.example A error REFUSED  []"}},
		{"the root", func(o *observed) {
			o.feed(sent, query(1, ".", dnsmessage.TypeNS)).feed(received, answer(1, ".", dnsmessage.TypeNS, 0))
		}, []string{"client . NS ok NOERROR  []"}},
		{"a type without a name", func(o *observed) {
			o.feed(sent, query(1, "a.example.", 65280)).feed(received, answer(1, "a.example.", 65280, 0,
				&dnsmessage.UnknownResource{Type: 65280, Data: []byte{10, 0, 0, 1}}))
		}, []string{`client a.example TYPE65280 ok NOERROR  [\# 4 0a000001]`}},
		{"never answered", func(o *observed) {
			o.feed(sent, a(1, "a.example.")).close("connection_closed")
		}, []string{"client a.example A incomplete  connection_closed []"}},
		{"answered after the client gave up", func(o *observed) {
			o.feed(sent, a(1, "a.example."))
			o.now += QueryTimeout
			o.feed(received, ok(1, "a.example."))
		}, []string{"client a.example A incomplete  timeout []"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(t, UDP(), protocol.Start{})
			test.do(o)
			o.want(test.want...)
			if o.parser.Fit() != protocol.FitYes {
				t.Errorf("fit %d", o.parser.Fit())
			}
		})
	}
}

func TestTimesAndSizesAreThoseOfTheFirstQueryAndTheAnswer(t *testing.T) {
	o := observe(t, UDP(), protocol.Start{})
	q, r := a(1, "a.example."), ok(1, "a.example.")
	o.feed(sent, q).feed(sent, q).feed(received, r)
	got := o.got[0]
	if got.Start != 1*ms || got.RequestEnd != 1*ms || got.ResponseStart != 3*ms || got.End != 3*ms {
		t.Errorf("times %v %v %v %v", got.Start, got.RequestEnd, got.ResponseStart, got.End)
	}
	if int(got.RequestBytes) != len(q) || int(got.ResponseBytes) != len(r) || got.Transport != model.TransportUDP {
		t.Errorf("%d and %d bytes over %s", got.RequestBytes, got.ResponseBytes, got.Transport)
	}
	if !got.DNS.RecursionAvailable || got.DNS.Records != 1 || got.DNS.TTLs[0] != 60 || got.DNS.Addrs[0].String() != "192.0.2.1" {
		t.Errorf("%+v", got.DNS)
	}
}

func TestEDNSAndExtendedCodes(t *testing.T) {
	opt := func(code uint16) dnsmessage.Resource {
		return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("."), Type: dnsmessage.TypeOPT,
			Class: 1232, TTL: uint32(code>>4) << 24}, Body: &dnsmessage.OPTResource{}}
	}
	q := pack(dnsmessage.Message{Header: dnsmessage.Header{ID: 1}, Questions: question("a.example.", 1), Additionals: []dnsmessage.Resource{opt(0)}})
	r := pack(dnsmessage.Message{Header: dnsmessage.Header{ID: 1, Response: true, Truncated: true}, Questions: question("a.example.", 1),
		Additionals: []dnsmessage.Resource{opt(16)}})
	o := observe(t, UDP(), protocol.Start{}).feed(sent, q).feed(received, r)
	o.want("client a.example A error BADVERS  []")
	if d := o.got[0].DNS; !d.EDNS || d.UDPSize != 1232 || !d.Truncated || o.got[0].ErrorType != "badvers" {
		t.Errorf("%+v", d)
	}
}

func TestAnswerWithoutQuery(t *testing.T) {
	orphan := "client a.example A incomplete NOERROR request_lost [192.0.2.1]"
	observe(t, UDP(), protocol.Start{}).feed(received, ok(1, "a.example.")).feed(received, ok(1, "a.example.")).want(orphan)
	observe(t, UDP(), protocol.Start{Joined: true}).feed(sent, a(2, "b.example.")).feed(received, ok(1, "a.example.")).want(orphan)
	observe(t, UDP(), protocol.Start{}).feed(sent, a(2, "b.example.")).feed(received, ok(1, "a.example.")).want()
}

func TestMulticastIsOneWay(t *testing.T) {
	mdns := pack(dnsmessage.Message{Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName("_ipp._tcp.local."), Type: dnsmessage.TypePTR, Class: 1},
		{Name: dnsmessage.MustNewName("_raop._tcp.local."), Type: dnsmessage.TypePTR, Class: 1}}})
	announcement := pack(dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}, Answers: []dnsmessage.Resource{
		{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("x.local."), Class: 0x8001}, Body: one}}})
	o := observe(t, UDP(), protocol.Start{}).feed(sent, mdns).feed(sent, announcement).close("timeout")
	o.want("client _ipp._tcp.local PTR ok   []")
	if r := o.got[0]; !r.OneWay || !r.DNS.Multicast || r.ResponseStart != 0 {
		t.Errorf("%+v", r)
	}
	for _, p := range [][]byte{mdns, announcement} {
		if probeUDP(p) == protocol.GuessNo {
			t.Errorf("%x is not taken for DNS", p)
		}
	}
	unicast := pack(dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a.example."), Type: 1, Class: 0x8001}}})
	observe(t, UDP(), protocol.Start{}).feed(sent, unicast).want("client a.example A ok   []")
}

func TestDatagramCutByTheCapture(t *testing.T) {
	whole := answer(1, "a.example.", dnsmessage.TypeA, 0, one, two)
	o := observe(t, UDP(), protocol.Start{}).feed(sent, a(1, "a.example."))
	o.feed(received, whole[:len(whole)-6])
	if len(o.got) != 0 || o.parser.Pending() != 1 {
		t.Errorf("%d reported, %d pending before the rest of the answer", len(o.got), o.parser.Pending())
	}
	o.skip(received, 6).want("client a.example A ok NOERROR  [192.0.2.1]")
	if r := o.got[0]; r.DNS.Records != 2 || int(r.ResponseBytes) != len(whole) {
		t.Errorf("%d records, %d bytes", r.DNS.Records, r.ResponseBytes)
	}
	o = observe(t, UDP(), protocol.Start{}).feed(sent, a(1, "a.example.")).feed(received, whole[:len(whole)-6])
	o.close("timeout").want("client a.example A ok NOERROR  [192.0.2.1]")
}

func TestOverTCP(t *testing.T) {
	q1, q2 := a(1, "a.example."), a(2, "b.example.")
	r1, r2 := ok(1, "a.example."), ok(2, "b.example.")
	both := []string{"client b.example A ok NOERROR  [192.0.2.1]", "client a.example A ok NOERROR  [192.0.2.1]"}
	tests := []struct {
		name string
		do   func(o *observed)
		want []string
	}{
		{"pipelined and answered out of order", func(o *observed) {
			o.feed(sent, framed(q1, q2)).feed(received, framed(r2, r1))
		}, both},
		{"the length in a segment of its own", func(o *observed) {
			o.feed(sent, framed(q1)[:2]).feed(sent, framed(q1)[2:]).feed(sent, framed(q2))
			o.feed(received, framed(r2)[:1]).feed(received, framed(r2)[1:]).feed(received, framed(r1))
		}, both},
		{"an answer cut inside its records", func(o *observed) {
			o.feed(sent, framed(q1)).feed(received, framed(r1)[:30]).skip(received, uint64(len(r1)-28))
		}, []string{"client a.example A ok NOERROR  []"}},
		{"an answer lost with its beginning", func(o *observed) {
			o.feed(sent, framed(q1)).skip(received, 20).feed(received, framed(r1)[20:])
			o.feed(sent, framed(q2)).feed(received, framed(r2)).close("connection_closed")
		}, []string{"client b.example A ok NOERROR  [192.0.2.1]", "client a.example A incomplete  lost []"}},
		{"a query lost", func(o *observed) {
			o.feed(sent, framed(q1)).feed(received, framed(r1))
			o.skip(sent, 27).feed(received, framed(r2)).close("connection_closed")
		}, []string{"client a.example A ok NOERROR  [192.0.2.1]", "client b.example A incomplete NOERROR request_lost [192.0.2.1]"}},
		{"closed without an answer", func(o *observed) {
			o.feed(sent, framed(q1)).close("connection_reset")
		}, []string{"client a.example A incomplete  connection_reset []"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(t, TCP(), protocol.Start{})
			test.do(o)
			o.want(test.want...)
		})
	}
}

func TestZoneTransferIsOneRequest(t *testing.T) {
	soa := &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("ns.example."), MBox: dnsmessage.MustNewName("root.example.")}
	q := framed(query(1, "example.", dnsmessage.TypeAXFR))
	first := framed(answer(1, "example.", dnsmessage.TypeAXFR, 0, soa, one))
	last := framed(answer(1, "example.", dnsmessage.TypeAXFR, 0, two, soa))
	o := observe(t, TCP(), protocol.Start{}).feed(sent, q).feed(received, first)
	if o.parser.Pending() != 1 {
		t.Error("the transfer ended with its first message")
	}
	o.feed(received, last).want("client example AXFR ok NOERROR  []")
	if r := o.got[0]; r.DNS.Records != 4 || int(r.ResponseBytes) != len(first)+len(last) || r.ResponseStart != 2*ms || r.End != 3*ms {
		t.Errorf("%d records in %d bytes, %v to %v", r.DNS.Records, r.ResponseBytes, r.ResponseStart, r.End)
	}
	head := framed(answer(1, "example.", dnsmessage.TypeAXFR, 0, soa)) // a message for each record
	o = observe(t, TCP(), protocol.Start{}).feed(sent, q).feed(received, head).feed(received, framed(answer(1, "example.", dnsmessage.TypeAXFR, 0, one)))
	o.want().feed(received, head).want("client example AXFR ok NOERROR  []")
	o = observe(t, TCP(), protocol.Start{}).feed(sent, framed(query(1, "example.", dnsmessage.Type(typeIXFR))))
	o.feed(received, framed(answer(1, "example.", dnsmessage.Type(typeIXFR), 0, soa))).want("client example IXFR ok NOERROR  []")
	o = observe(t, TCP(), protocol.Start{}).feed(sent, q).feed(received, first[:30]).skip(received, uint64(len(first)-30))
	o.feed(sent, framed(a(2, "b.example."))).want("client example AXFR ok NOERROR  []") // its end was not captured, but the client goes on
	observe(t, TCP(), protocol.Start{}).feed(sent, q).feed(received, first).close("connection_reset").
		want("client example AXFR incomplete  connection_reset []")
	observe(t, TCP(), protocol.Start{}).feed(sent, q).feed(received, framed(answer(1, "example.", dnsmessage.TypeAXFR, dnsmessage.RCodeRefused))).
		want("client example AXFR error REFUSED  []")
}

func TestQueriesThatWaitAreBounded(t *testing.T) {
	o := observe(t, UDP(), protocol.Start{})
	for i := range 2 * MaxWaiting {
		o.parser.Feed(sent, a(uint16(i+1), "a.example."), o.now)
	}
	if o.parser.Pending() != MaxWaiting || len(o.got) != MaxWaiting || o.got[0].Reason != "pipeline_limit" || o.got[0].DNS.ID != 1 {
		t.Errorf("%d wait, %d reported", o.parser.Pending(), len(o.got))
	}
}

func TestProbe(t *testing.T) {
	q, r := a(1, "a.example."), ok(1, "a.example.")
	changed := func(p []byte, at int, b byte) []byte {
		p = slices.Clone(p)
		p[at] = b
		return p
	}
	tests := []struct {
		name string
		p    []byte
		want protocol.Guess
	}{
		{"query", q, protocol.GuessRequest},
		{"answer", r, protocol.GuessResponse},
		{"answer that the capture cut", r[:len(r)-3], protocol.GuessResponse},
		{"query that was cut", q[:len(q)-1], protocol.GuessNo},
		{"something behind the query", append(slices.Clone(q), 1), protocol.GuessNo},
		{"reserved bit of an unusual type", changed(changed(q, 3, flagZero), len(q)-4, 0xff), protocol.GuessNo},
		{"unknown opcode", changed(q, 2, 0x79), protocol.GuessNo},
		{"query with answers", changed(q, 7, 5), protocol.GuessNo},
		{"query without a question", changed(q, 5, 0), protocol.GuessNo},
		{"unknown class", changed(q, len(q)-1, 9), protocol.GuessNo},
	}
	for _, test := range tests {
		if got := probeUDP(test.p); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
		if got := probeTCP(framed(test.p)); got != test.want && test.p[len(test.p)-1] == q[len(q)-1] {
			t.Errorf("%s over TCP: %d, want %d", test.name, got, test.want)
		}
	}
	if got := probeTCP(framed(q)[:10]); got != protocol.GuessMaybe {
		t.Errorf("beginning of a query: %d", got)
	}
}

func TestOddMessagesOverUDP(t *testing.T) {
	with := func(p []byte, at int, b byte) []byte {
		p[at] |= b
		return p
	}
	bare := func(id uint16, code byte) []byte {
		return []byte{byte(id >> 8), byte(id), 0x81, 0x80 | code, 0, 0, 0, 0, 0, 0, 0, 0}
	}
	observe(t, UDP(), protocol.Start{}).feed(sent, with(a(1, "a.example."), 3, flagZero)).feed(received, with(ok(1, "a.example."), 3, flagZero)).
		want("client a.example A ok NOERROR  [192.0.2.1]") // a reserved bit
	observe(t, UDP(), protocol.Start{}).feed(sent, with(a(1, "a.example."), 2, 2<<3)).feed(received, with(ok(1, "a.example."), 2, 2<<3)).
		want("client a.example A ok NOERROR  [192.0.2.1]") // STATUS
	observe(t, UDP(), protocol.Start{}).feed(sent, a(1, "a.example.")).feed(received, bare(1, 0)).want("client a.example A ok NOERROR  []")
	observe(t, UDP(), protocol.Start{}).feed(sent, a(1, "a.example.")).feed(received, bare(7, 0)).want()
	observe(t, UDP(), protocol.Start{}).feed(sent, a(1, "a.example.")).feed(sent, a(2, "b.example.")).feed(received, bare(2, 2)).
		want("client b.example A error SERVFAIL  []") // of two queries, by the identifier
	observe(t, UDP(), protocol.Start{}).feed(sent, a(1, "a.example.")).feed(sent, a(1, "b.example.")).feed(received, bare(1, 2)).want() // it could be either's
}

func TestOtherBytesAreNotDNS(t *testing.T) {
	for _, p := range [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, 40), {0, 1, 0x21, 0x12, 0xa4, 0x42}} {
		o := observe(t, UDP(), protocol.Start{}).feed(sent, p)
		if o.parser.Fit() != protocol.FitNo || probeUDP(p) != protocol.GuessNo {
			t.Errorf("%q over UDP", p)
		}
		if o = observe(t, TCP(), protocol.Start{}).feed(sent, p); o.parser.Fit() != protocol.FitNo || probeTCP(p) != protocol.GuessNo {
			t.Errorf("%q over TCP", p)
		}
	}
}
