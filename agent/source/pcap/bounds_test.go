// SPDX-License-Identifier: Apache-2.0

package pcap_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"sonde/agent/source/pcap"
	"sonde/probes/event"
	"sonde/testbed/corpora"
)

func TestTheSameFileGivesTheSameRecords(t *testing.T) {
	var shots []shot
	for i := range 300 { // more than a map has in one order
		k := newTalk()
		k.port = uint16(30000 + i)
		k.open().send(client, "PA", getA).send(server, "PA", ok5)
		shots = append(shots, k.shots...)
		shots = append(shots, shot{at: k.now, data: udpBytes("10.0.0.1", "10.0.0.2", k.port, 53, []byte("x"))})
	}
	capture := file(layers.LinkTypeRaw, shots)
	first, whole := mustRead(t, capture), outcome(t, capture)
	for range 3 {
		if mustRead(t, capture) != first || outcome(t, capture) != whole {
			t.Fatal("another reading, other records")
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	var shots []shot
	for i := range 50 {
		k := newTalk()
		k.now, k.port = time.Duration(i)*time.Millisecond, uint16(30000+i)
		if i == 10 {
			k.open().send(client, "RA", "") // over: goes first
		}
		shots = append(shots, k.send(client, "PA", getA).shots...)
	}
	slices.SortStableFunc(shots, func(a, b shot) int { return int(a.at - b.at) })
	var r records
	s := pcap.New(pcap.Config{MaxConns: 20}, bytes.NewReader(file(layers.LinkTypeRaw, shots)))
	if err := s.Run(context.Background(), &r); err != nil {
		t.Fatal(err)
	}
	if n := s.Held().Conns; n > 20 {
		t.Errorf("%d connections", n)
	}
	if n := strings.Count(r.String(), "close"); n != 51 { // port 30010 had two
		t.Errorf("%d ends, want one for each connection:\n%s", n, r.String())
	}
}

// TestBytesBehindHolesAreBounded sends every other segment of many connections.
func TestBytesBehindHolesAreBounded(t *testing.T) {
	var shots []shot
	text := strings.Repeat("x", 30000)
	for i := range 100 {
		k := newTalk()
		k.port = uint16(30000 + i)
		k.open()
		for n := range 40 {
			k.put(client, "A", text, (2*n+1)*len(text))
		}
		shots = append(shots, k.shots...)
	}
	source := pcap.New(pcap.Default(), bytes.NewReader(file(layers.LinkTypeRaw, shots)))
	most := 0
	watch := receiver(func(event.Record) { most = max(most, source.Held().WaitingBytes) })
	if err := source.Run(context.Background(), watch); err != nil {
		t.Fatal(err)
	}
	if most > pcap.MaxWaiting+len(text) || most < pcap.MaxWaiting/2 {
		t.Errorf("%d bytes wait at most, limit %d", most, pcap.MaxWaiting)
	}
}

func TestHolesAreBounded(t *testing.T) {
	k := newTalk()
	k.open()
	for n := range 3 * pcap.MaxSpans {
		k.put(client, "A", "x", 2*n+1)
	}
	source := pcap.New(pcap.Default(), bytes.NewReader(file(layers.LinkTypeRaw, k.shots)))
	most := 0
	watch := receiver(func(event.Record) { most = max(most, source.Held().Spans) })
	if err := source.Run(context.Background(), watch); err != nil || most > pcap.MaxSpans+1 || most < pcap.MaxSpans {
		t.Errorf("%d runs of bytes behind holes, limit %d, %v", most, pcap.MaxSpans, err)
	}
}

type receiver func(event.Record)

func (r receiver) Record(e event.Record) { r(e) }
func (r receiver) Tick(time.Duration)    {}

func TestStrayPacketsDoNotDisturb(t *testing.T) {
	k := newTalk()
	k.open().send(client, "PA", getA)
	k.put(server, "A", "far away", 1<<29).put(client, "A", "far away", -1<<29)
	k.send(server, "PA", ok5).close()
	k.add((&packet{src: "10.0.0.7", dst: "10.0.0.8", sport: 1, dport: 2, flags: "R"}).bytes())
	capture := file(layers.LinkTypeRaw, k.shots)
	_, stats, _ := read(t, capture)
	if got := outcome(t, capture); !strings.Contains(got, "GET /a 200 ok") || strings.Count(got, "\n") != 2 || stats.Strays != 1 {
		t.Errorf("%+v\n%s", stats, got)
	}
}

func TestSegmentsFarAwayAreAnotherConnectionInTheEnd(t *testing.T) {
	k := newTalk()
	k.open().send(client, "PA", getA).send(server, "PA", ok5)
	k.next = [2]uint32{1 << 30, 3 << 30}
	for range 6 {
		k.send(client, "PA", getB).send(server, "PA", no0)
	}
	got := outcome(t, file(layers.LinkTypeRaw, k.shots))
	if strings.Count(got, "GET /b 404") < 3 || !strings.Contains(got, "GET /a 200 ok") {
		t.Error(got)
	}
}

func TestReadingStopsWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	shots := slices.Repeat(conversation(false), 1000)
	n := 0
	source := pcap.New(pcap.Default(), bytes.NewReader(file(layers.LinkTypeRaw, shots)))
	err := source.Run(ctx, receiver(func(event.Record) {
		if n++; n == 5 {
			cancel()
		}
	}))
	if !errors.Is(err, context.Canceled) || source.Packets() > 300 {
		t.Errorf("%v after %d packets", err, source.Packets())
	}
}

// lazy is a reader that fails, or returns nothing for ever.
type lazy struct{ err error }

func (l lazy) Read([]byte) (int, error) { return 0, l.err }

func TestErrorsOfTheReaderAreTold(t *testing.T) {
	broken := errors.New("the disk broke")
	head := file(layers.LinkTypeRaw, conversation(false))
	for _, want := range []error{broken, io.ErrNoProgress} {
		end := lazy{want}
		if want == io.ErrNoProgress {
			end = lazy{}
		}
		err := pcap.New(pcap.Default(), io.MultiReader(bytes.NewReader(head[:100]), end)).Run(context.Background(), receiver(func(event.Record) {}))
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

// TestLossesGiveNoOtherRequests drops packets of pipelined and other exchanges at random: what is left is told as it was, or
// as incomplete.
func TestLossesGiveNoOtherRequests(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		k := newTalk()
		k.open()
		for i := range 20 {
			question := fmt.Sprintf("GET /%d HTTP/1.1\r\nX: %s\r\n\r\n", i, strings.Repeat("q", random.IntN(40)))
			answer := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 30\r\n\r\n%s", 200+i, strings.Repeat("a", 30))
			for _, m := range []struct {
				from int
				text string
			}{{client, question}, {server, answer}} {
				cut := random.IntN(len(m.text))
				k.send(m.from, "A", m.text[:cut]).send(m.from, "PA", m.text[cut:])
			}
		}
		k.close()
		shots := slices.Clone(k.shots)
		for range round % 10 {
			i := 3 + random.IntN(len(shots)-3)
			shots = slices.Delete(shots, i, i+1)
		}
		for range round % 3 { // reordered
			i := 3 + random.IntN(len(shots)-4)
			shots[i].data, shots[i+1].data = shots[i+1].data, shots[i].data
		}
		seen, err := corpora.ReadFrom(bytes.NewReader(file(layers.LinkTypeRaw, shots)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range seen.Requests {
			want := ""
			if r.HTTP.Status > 0 {
				want = fmt.Sprintf("/%d", r.HTTP.Status-200)
			}
			if r.HTTP.Status > 0 && r.HTTP.Path != want && r.HTTP.Path != "" {
				t.Fatalf("round %d: %s was answered with %d", round, r.HTTP.Path, r.HTTP.Status)
			}
		}
		if round%10 == 0 && len(seen.Requests) != 20 {
			t.Errorf("round %d: nothing lost, and %d requests", round, len(seen.Requests))
		}
	}
}

// FuzzFile gives any bytes to the source: nothing breaks, what is remembered stays within bounds, and records do not
// contradict themselves.
func FuzzFile(f *testing.F) {
	for _, s := range stories {
		k := newTalk()
		s.made(k)
		if len(k.shots) < 20 && s.name != "a segment larger than a record" {
			f.Add(file(layers.LinkTypeRaw, k.shots))
		}
	}
	shots := conversation(false)
	for _, w := range wrappings {
		f.Add(file(w.link, []shot{{data: w.wrap(shots[3].data)}, {data: w.wrap(fragments(shots[3].data, 24)[0])}}))
	}
	f.Add(ngFile(shots))
	f.Add(sections(shots))
	f.Add(classicFile(binary.BigEndian, 0xa1b2cd34, shots))
	f.Fuzz(func(t *testing.T, capture []byte) {
		if len(capture) > 1<<20 || len(capture) > 2 && (capture[0] == 0x1f || capture[0] == 0x28) { // the packers' own affair
			return
		}
		var r records
		source := pcap.New(pcap.Config{MaxConns: 8}, bytes.NewReader(capture))
		_ = source.Run(context.Background(), &r)
		if h := source.Held(); h.Conns > 8 || h.WaitingBytes != 0 || h.Datagrams > pcap.MaxDatagrams || h.Spans > pcap.MaxSpans {
			t.Errorf("held %+v", h)
		}
		if strings.Contains(r.String(), "contradicts") {
			t.Error(r.String())
		}
	})
}

// BenchmarkSource reads a capture of requests of 100 bytes and answers of 1000.
func BenchmarkSource(b *testing.B) {
	capture, packets := benchCapture()
	b.SetBytes(int64(len(capture)))
	b.ReportAllocs()
	for b.Loop() {
		err := pcap.New(pcap.Default(), bytes.NewReader(capture)).Run(context.Background(), receiver(func(event.Record) {}))
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(packets)*float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}

func benchCapture() ([]byte, int) {
	question := "GET /a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("q", 66) + "\r\n\r\n"
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("b", 1000)
	var shots []shot
	for i := range 100 {
		k := newTalk()
		k.port = uint16(30000 + i)
		k.open()
		for range 50 {
			k.send(client, "PA", question).send(server, "PA", answer).send(client, "A", "")
		}
		for _, s := range k.close().shots {
			shots = append(shots, shot{at: s.at, data: frameOf(s.data)})
		}
	}
	slices.SortStableFunc(shots, func(a, b shot) int { return int(a.at - b.at) })
	return file(layers.LinkTypeEthernet, shots), len(shots)
}
