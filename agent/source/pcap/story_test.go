// SPDX-License-Identifier: Apache-2.0

package pcap_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"sonde/testbed/corpora"
)

// stories are captures of connections: each has a golden file with the records that it gives, and with the requests and
// flows that the pipeline makes of them.
var stories = []struct {
	name string
	made func(k *talk)
}{
	{"a request and its answer", func(k *talk) {
		k.open().send(client, "PA", getA).send(server, "A", "").send(server, "PA", ok5).close()
	}},
	{"segments reordered", func(k *talk) {
		k.open().put(client, "PA", getA[10:], 10).put(client, "A", getA[:10], 0).unseen(client, "", getA)
		k.put(server, "A", ok5[20:], 20).put(server, "A", ok5[:20], 0).unseen(server, "", ok5).close()
	}},
	{"sent again with other bytes", func(k *talk) {
		k.open().put(client, "PA", getA, 0).wait(time.Second).put(client, "PA", getB, 0).unseen(client, "", getA)
		k.send(server, "PA", ok5).close()
	}},
	{"overlapping segments", func(k *talk) {
		k.open().put(client, "A", getA[:20], 0).put(client, "PA", strings.Repeat("X", 10)+getA[20:], 10).unseen(client, "", getA)
		k.send(server, "PA", ok5).close()
	}},
	{"the middle of an answer lost and sent again", func(k *talk) {
		k.open().send(client, "PA", getA).put(server, "A", ok5[:10], 0).put(server, "A", ok5[30:], 30)
		k.wait(300*time.Millisecond).put(server, "A", ok5[10:30], 10).unseen(server, "", ok5).close()
	}},
	{"the middle of an answer not captured", func(k *talk) {
		body := "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + strings.Repeat("b", 300)
		k.open().send(client, "PA", getA).send(server, "A", body[:100]).unseen(server, "", body[100:200]).send(server, "A", body[200:])
		k.send(client, "A", "").wait(30*time.Millisecond).send(client, "A", "").send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"a request not captured", func(k *talk) {
		k.open().unseen(client, "", getA).send(server, "PA", ok5).send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"a later request not captured", func(k *talk) {
		k.open().send(client, "PA", getB).send(server, "PA", no0).unseen(client, "", getA).send(server, "PA", ok5).wait(50 * time.Millisecond)
		k.send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"a request held back before its answer is missed", func(k *talk) {
		k.open().send(client, "PA", getB).unseen(server, "", no0[:10]).send(server, "PA", no0[10:]).wait(30 * time.Millisecond)
		k.send(client, "PA", getA).unseen(server, "", ok5).send(client, "A", "").send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"the end of an answer not captured", func(k *talk) {
		k.open().send(client, "PA", getA).send(server, "A", ok5[:40]).unseen(server, "", ok5[40:]).send(client, "A", "").close()
	}},
	{"an answer captured before its question", func(k *talk) {
		question := k.open().made(client, "PA", getA, 0)
		k.unseen(client, "", getA).send(server, "PA", ok5).add(question).send(client, "A", "").close()
	}},
	{"a request captured behind the next one", func(k *talk) {
		first := k.open().made(client, "PA", getA, 0)
		k.unseen(client, "", getA).unseen(server, "", no0)
		second := k.made(client, "PA", getB, 0)
		k.next[server] -= uint32(len(no0))
		k.add(second).add(first).send(server, "PA", no0).unseen(client, "", getB).send(server, "PA", ok5).close()
	}},
	{"a request with a hole whose answer was not captured", func(k *talk) {
		post := "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n" + strings.Repeat("b", 60)
		k.open().send(client, "A", post[:60]).unseen(client, "", post[60:80]).send(client, "PA", post[80:]).unseen(server, "", ok5).wait(30 * time.Millisecond)
		k.send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"handshake captured in another order", func(k *talk) {
		syn := k.made(client, "S", "", 0)
		k.unseen(client, "S", "").send(server, "SA", "").add(syn).send(client, "A", "").send(client, "PA", getA).send(server, "PA", ok5).close()
	}},
	{"joined in the middle", func(k *talk) {
		k.send(client, "PA", getA).send(server, "PA", ok5).send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"joined in an answer", func(k *talk) {
		k.send(server, "PA", ok5[30:]).send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"client alone", func(k *talk) {
		k.send(client, "S", "").unseen(server, "S", "").send(client, "A", "").send(client, "PA", getA).unseen(server, "", ok5)
		k.send(client, "A", "").send(client, "PA", getB).unseen(server, "", no0).unseen(server, "F", "").send(client, "FA", "").wait(time.Minute)
	}},
	{"server alone", func(k *talk) {
		k.unseen(client, "S", "").send(server, "SA", "").unseen(client, "", getA).send(server, "PA", ok5).unseen(client, "", getB)
		k.send(server, "PA", no0).unseen(client, "F", "").send(server, "FA", "").wait(time.Minute)
	}},
	{"port used again after the end", func(k *talk) {
		k.open().send(client, "PA", getA).send(server, "PA", ok5).close()
		k.next = [2]uint32{900_000, 77}
		k.open().send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"port used again without an end", func(k *talk) {
		k.open().send(client, "PA", getA).send(server, "PA", ok5)
		k.next = [2]uint32{900_000, 77}
		k.open().send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"port used again and its SYN not captured", func(k *talk) {
		k.open().send(client, "PA", getA).send(server, "PA", ok5).close()
		k.next = [2]uint32{1 << 30, 3 << 30}
		k.send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"refused", func(k *talk) {
		k.send(client, "S", "").next[server] = 0
		k.put(server, "RA", "", 0)
	}},
	{"SYN without an answer", func(k *talk) {
		k.put(client, "S", "", 0).wait(time.Second).put(client, "S", "", 0).wait(3 * time.Minute).add(udpBytes("10.0.0.3", "10.0.0.4", 1, 2, nil))
	}},
	{"reset by the server", func(k *talk) { k.open().send(client, "PA", getA).send(server, "RA", "").send(server, "R", "") }},
	{"reset by the client", func(k *talk) {
		k.open().send(client, "PA", getA).send(server, "PA", ok5[:20]).send(client, "R", "").put(server, "A", ok5[20:], 0)
	}},
	{"a forged RST far away", func(k *talk) {
		k.open().send(client, "PA", getA).put(server, "R", "", 1<<30).send(server, "PA", ok5).close()
	}},
	{"a forged RST in place", func(k *talk) {
		k.open().send(client, "PA", getA).put(server, "R", "", 0).send(server, "PA", ok5).send(client, "PA", getB).send(server, "PA", no0).close()
	}},
	{"half closed", func(k *talk) {
		k.open().send(client, "PA", getA).send(client, "FA", "").send(server, "A", "").wait(time.Second).send(server, "PA", ok5)
		k.send(server, "FA", "").send(client, "A", "")
	}},
	{"goes on at the end of the capture", func(k *talk) { k.open().send(client, "PA", getA).send(server, "PA", ok5).send(client, "PA", getB) }},
	{"an end that was not captured", func(k *talk) {
		k.open().send(client, "PA", getA).send(server, "PA", ok5).unseen(server, "F", "").send(client, "A", "").send(client, "R", "")
	}},
	{"keep-alive probes", func(k *talk) {
		k.open().send(client, "PA", getA).send(server, "PA", ok5).wait(time.Minute)
		k.put(client, "A", "\x00", -1).send(server, "A", "").put(client, "A", "", -1).send(server, "A", "").close()
	}},
	{"sequence numbers that wrap", func(k *talk) {
		k.next = [2]uint32{1<<32 - 15, 1<<32 - 30}
		k.open().send(client, "PA", getA).put(server, "A", ok5[25:], 25).put(server, "A", ok5[:25], 0).unseen(server, "", ok5).close()
	}},
	{"a segment larger than a record", func(k *talk) {
		body := "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + strings.Repeat("b", 60000)
		k.open().send(client, "PA", getA).send(server, "PA", body).close()
		k.shots[4].data[2], k.shots[4].data[3] = 0, 0 // as network cards with offload leave the length
	}},
	{"cut by the snap length", func(k *talk) {
		body := "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("b", 1000)
		k.open().send(client, "PA", getA).send(server, "PA", body).send(client, "PA", getB).send(server, "PA", no0).close()
		for i := range k.shots {
			s := &k.shots[i]
			s.wire, s.data = len(s.data), s.data[:min(len(s.data), 150)]
		}
	}},
	{"SYN with a request", func(k *talk) {
		k.put(client, "S", getA, 0).unseen(client, "S", getA).send(server, "SA", "").send(server, "PA", ok5).close()
	}},
}

func TestStories(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			k := newTalk()
			s.made(k)
			capture := file(layers.LinkTypeRaw, k.shots)
			golden(t, s.name, shorten(mustRead(t, capture))+outcome(t, capture))
		})
	}
}

// A capture that begins with a server's packet has nothing that tells its ends apart but the protocol.
func TestAnErrorOfAClientIsOneWhicheverEndSpeaksFirst(t *testing.T) {
	for _, first := range []int{client, server} {
		k := newTalk()
		k.port = 70 // as good as 80 for a server's
		k.send(first, "A", "")
		k.send(client, "PA", getB).send(server, "PA", no0).close()
		want := "request wire http 10.0.0.1:70 -> 10.0.0.2:80 GET /b 404 error  28/40"
		if got := outcome(t, file(layers.LinkTypeRaw, k.shots)); !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestPortsTellServersWhereNothingElseDoes(t *testing.T) {
	for _, c := range []struct {
		src, dst uint16
		server   bool // the sender
	}{
		{80, 40000, true}, {40000, 80, false}, {22, 8080, true}, {5432, 7777, true}, {18830, 40000, true}, {40000, 18830, false},
		{18830, 18831, false}, {50000, 40000, false}, {1025, 1433, false},
	} {
		p := packet{src: "10.0.0.1", dst: "10.0.0.2", sport: c.src, dport: c.dst, flags: "PA", text: "?"}
		want := fmt.Sprintf("10.0.0.1:%d -> 10.0.0.2:%d", c.src, c.dst)
		if c.server {
			want = fmt.Sprintf("10.0.0.2:%d -> 10.0.0.1:%d", c.dst, c.src)
		}
		if got := outcome(t, file(layers.LinkTypeRaw, []shot{{data: p.bytes()}})); !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// shorten keeps long bodies out of golden files.
func shorten(text string) string {
	for _, b := range []string{"b", "X"} {
		for {
			i := strings.Index(text, strings.Repeat(b, 40))
			if i < 0 {
				break
			}
			n := len(text[i:]) - len(strings.TrimLeft(text[i:], b))
			text = text[:i] + fmt.Sprintf("<%d %s>", n, b) + text[i+n:]
		}
	}
	return text
}

// outcome is what the whole pipeline makes of a capture.
func outcome(t testing.TB, capture []byte) string {
	t.Helper()
	seen, err := corpora.ReadFrom(bytes.NewReader(capture))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range seen.Requests {
		r := &seen.Requests[i]
		fmt.Fprintf(&b, "request %s %s %s -> %s", r.Role, r.Protocol, r.Client.Addr, r.Server.Addr)
		if r.HTTP != nil {
			fmt.Fprintf(&b, " %s %s %d", r.HTTP.Method, r.HTTP.Path, r.HTTP.Status)
		}
		fmt.Fprintf(&b, " %s %s %d/%d bytes %v\n", r.Outcome, r.Reason, r.RequestBytes, r.ResponseBytes, r.Duration())
	}
	for i := range seen.Flows {
		f := &seen.Flows[i]
		fmt.Fprintf(&b, "flow %s %s %s -> %s %s %s %d/%d packets %d/%d bytes, retransmits %d, joined %v\n", f.Role, f.Transport,
			f.Client.Addr, f.Server.Addr, f.State, f.Error, f.PacketsSent, f.PacketsReceived, f.BytesSent, f.BytesReceived,
			f.TCP.Retransmits, f.JoinedMid)
	}
	return b.String()
}
