// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/source"
	"sonde/probes/event"
)

// told is a receiver that writes down what it is told.
type told struct{ lines []string }

func (t *told) Record(r source.Record) {
	if s := event.As[event.Segment](r); r.Kind() == event.KindSegment && s != nil {
		head, tail, ok := event.Payload(r, s)
		t.lines = append(t.lines, fmt.Sprintf("segment %d+%d %q %q %v", s.Seq, s.Len, head, tail, ok))
		return
	}
	t.lines = append(t.lines, fmt.Sprintf("record %d of %d bytes", r.Kind(), len(r)))
}

func (t *told) Tick(now time.Duration) { t.lines = append(t.lines, "tick "+now.String()) }

// script is a source that does what a function does.
type script func(to source.Receiver)

func (s script) Run(_ context.Context, to source.Receiver) error {
	s(to)
	return nil
}

const sock = 0xffff888000001000

func segment(at time.Duration, seq uint32, head, tail string, between uint32) event.Record {
	s := event.Segment{Seq: seq, Len: uint32(len(head)+len(tail)) + between}
	s.Hdr.Time, s.Hdr.Sock = uint64(at), sock
	return event.MakeSegment(&s, []byte(head), []byte(tail))
}

// recorded returns the file of what a script tells, and what the receiver behind the recorder was told.
func recorded(t testing.TB, steps func(r *Recorder, to source.Receiver)) (file []byte, live []string, stats Stats) {
	t.Helper()
	var out bytes.Buffer
	r, err := New(&out, Meta{Version: "test", Started: "2026-01-02T03:04:05Z"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	to := &told{}
	if err := r.Around(script(func(in source.Receiver) { steps(r, in) })).Run(context.Background(), to); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), to.lines, r.Stats()
}

// readLines returns what a file tells.
func readLines(t testing.TB, file []byte) []string {
	t.Helper()
	to := &told{}
	s, err := Open(bytes.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), to); err != nil {
		t.Fatal(err)
	}
	return to.lines
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatIsSettledIsReadAsItWasTold(t *testing.T) {
	file, live, _ := recorded(t, func(r *Recorder, to source.Receiver) {
		to.Record(segment(time.Second, 100, "GET /", "", 0))
		r.Settle(sock, 0, 105)
		to.Record(segment(time.Second, 105, " HTTP", "end", 1000))
		r.Settle(sock, 0, 105+5+1000+3)
		to.Tick(2 * time.Second)
		lost := event.Lost{Records: 3}
		lost.Hdr.Kind, lost.Hdr.Time = uint8(event.KindLost), uint64(2*time.Second)
		to.Record(event.Bytes(&lost))
	})
	equal(t, readLines(t, file), live)
}

func TestPayloadThatNobodyVouchesForIsCountedNotWritten(t *testing.T) {
	file, _, stats := recorded(t, func(r *Recorder, to source.Receiver) {
		to.Record(segment(time.Second, 120, "public secret", "", 0))
		r.Settle(sock, 0, 127)
		to.Tick(2 * time.Second)
	})
	equal(t, readLines(t, file), []string{`segment 120+13 "public " "" true`, "tick 2s"})
	if stats.CutOff != 6 {
		t.Errorf("cut off %d bytes, want 6", stats.CutOff)
	}
}

func TestUnsettledSegmentLosesItsPayload(t *testing.T) {
	file, _, stats := recorded(t, func(_ *Recorder, to source.Receiver) {
		to.Record(segment(time.Second, 100, "secret", "tail", 10))
		to.Tick(2 * time.Second)
	})
	equal(t, readLines(t, file), []string{`segment 100+20 "" "" true`, "tick 2s"})
	if stats.CutOff != 10 {
		t.Errorf("cut off %d bytes, want 10", stats.CutOff)
	}
	if bytes.Contains(file, []byte("secret")) {
		t.Error("the payload is in the file")
	}
}

func TestWhatTheRingHeldBeforeIsNotWritten(t *testing.T) {
	whole, cut := segment(time.Second, 100, "GET /", "", 0), segment(time.Second, 105, "secret", "", 0)
	for i, r := range []event.Record{whole, cut} {
		file, _, _ := recorded(t, func(rec *Recorder, to source.Receiver) {
			to.Record(event.Clone(append(event.Clone(r), "secret of another connection"...)))
			if i == 0 {
				rec.Settle(sock, 0, 105)
			}
		})
		found := false
		s, err := Open(bytes.NewReader(file), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(context.Background(), bodies(func(p []byte) { found = found || bytes.Contains(p, []byte("secret")) })); err != nil || found {
			t.Errorf("record %d: found %v, error %v", i, found, err)
		}
	}
}

// bodies is called with each record.
type bodies func([]byte)

func (b bodies) Record(r source.Record) { b(r) }
func (b bodies) Tick(time.Duration)     {}

func TestHiddenBytesAreFilledWhereverTheyAre(t *testing.T) {
	for _, c := range []struct {
		name string
		with protocol.Filler
		from uint32
		n    uint64
		want string
	}{
		{"in the middle", protocol.FillAll, 103, 2, `"it'xx9" "-4.2"`},
		{"from before the segment", protocol.FillAll, 90, 12, `"xx's 9" "-4.2"`},
		{"over the bytes that were not copied into the tail", protocol.FillDigits, 105, 14, `"it's 0" "-0.2"`},
		{"as text", protocol.FillText, 100, 6, `"xx'xx0" "-4.2"`},
		{"as zeros", protocol.FillZero, 116, 100, `"it's 9" "\x00\x00\x00\x00"`},
		{"behind the segment", protocol.FillAll, 120, 5, `"it's 9" "-4.2"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, live, _ := recorded(t, func(r *Recorder, to source.Receiver) {
				to.Record(segment(time.Second, 100, "it's 9", "-4.2", 10))
				r.Hide(sock, 0, c.from, c.n, c.with)
				r.Settle(sock, 0, 120)
			})
			equal(t, readLines(t, file), []string{"segment 100+20 " + c.want + " true"})
			equal(t, live, []string{`segment 100+20 "it's 9" "-4.2" true`})
		})
	}
}

func TestSequenceNumbersWrapAround(t *testing.T) {
	file, _, _ := recorded(t, func(r *Recorder, to source.Receiver) {
		to.Record(segment(time.Second, 0xfffffffe, "abcd", "", 0))
		r.Hide(sock, 0, 0xffffffff, 2, protocol.FillAll)
		r.Settle(sock, 0, 2)
	})
	equal(t, readLines(t, file), []string{`segment 4294967294+4 "axxd" "" true`})
}

func TestSegmentWaitsForItsParserAtMostMaxHold(t *testing.T) {
	var out bytes.Buffer
	r, err := New(&out, Meta{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Around(script(func(in source.Receiver) {
		in.Record(segment(time.Second, 100, "GET", "", 0))
		in.Tick(time.Second + MaxHold - 1)
		if len(r.held) != 2 {
			t.Errorf("%d frames wait before MaxHold, want 2", len(r.held))
		}
		in.Tick(time.Second + MaxHold)
		if len(r.held) != 0 {
			t.Errorf("%d frames wait after MaxHold", len(r.held))
		}
	})).Run(context.Background(), &told{})
}

func TestIdentityComesBeforeTheRecordThatNeedsIt(t *testing.T) {
	nginx := &model.Process{PID: 7, Name: "nginx", ServiceName: "shop"}
	var ask func(uint32, time.Duration, string, uint64) *model.Process
	var name func(uint32) string
	var out bytes.Buffer
	r, err := New(&out, Meta{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask = r.Identify(func(uint32, time.Duration, string, uint64) *model.Process { return nginx })
	name = r.InterfaceName(func(uint32) string { return "eth0" })
	use := func() (p *model.Process, eth string) { return ask(7, 5, "nginx", 0), name(2) }
	_ = r.Around(script(func(in source.Receiver) { in.Record(segment(time.Second, 100, "", "", 5)) })).Run(context.Background(), receiver{use})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(bytes.NewReader(out.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := false
	replayed := receiver{func() (*model.Process, string) {
		asked = true
		p, eth := s.Identify(7, 5, "nginx", 0), s.InterfaceName(2)
		if *p != *nginx || eth != "eth0" {
			t.Errorf("got %+v and %q", p, eth)
		}
		return p, eth
	}}
	if err := s.Run(context.Background(), replayed); err != nil || !asked {
		t.Errorf("asked %v, error %v", asked, err)
	}
}

// receiver asks who and where with each record, as the tracker does.
type receiver struct {
	use func() (*model.Process, string)
}

func (r receiver) Record(source.Record) { r.use() }
func (r receiver) Tick(time.Duration)   {}

// sample is a recording of several blocks.
func sample(t testing.TB) (file []byte, lines []string) {
	file, lines, _ = recorded(t, func(r *Recorder, to source.Receiver) {
		for i := range 3000 {
			at := time.Duration(i+1) * time.Millisecond
			to.Record(segment(at, uint32(i*200), strings.Repeat(fmt.Sprintf("%04d", i), 25), "", 100))
			r.Settle(sock, 0, uint32(i*200+200))
			if i%100 == 99 {
				to.Tick(at)
			}
		}
	})
	return file, lines
}

func TestRecordingIsReadUpToAnyDamage(t *testing.T) {
	file, want := sample(t)
	equal(t, readLines(t, file), want)
	for _, at := range []int{0, 9, 30, 100, len(file) / 2, len(file) - 60, len(file) - 1} {
		damaged := bytes.Clone(file)
		damaged[at] ^= 0x40
		prefix(t, fmt.Sprintf("byte %d changed", at), damaged, want)
		prefix(t, fmt.Sprintf("cut at byte %d", at), file[:at], want)
	}
}

// prefix fails unless file gives an error and, before it, a beginning of want.
func prefix(t *testing.T, name string, file []byte, want []string) {
	t.Helper()
	to := &told{}
	s, err := Open(bytes.NewReader(file), nil)
	if err == nil {
		err = s.Run(context.Background(), to)
	}
	if err == nil {
		t.Errorf("%s: no error", name)
	}
	if len(to.lines) > len(want) {
		t.Fatalf("%s: more than was recorded", name)
	}
	equal(t, to.lines, want[:len(to.lines)])
}

func TestRecordingThatWasNotEndedSaysSo(t *testing.T) {
	var out bytes.Buffer
	r, err := New(&out, Meta{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Around(script(func(in source.Receiver) {
		in.Tick(time.Second)
		in.Tick(3 * time.Second) // flushes
	})).Run(context.Background(), &told{})
	close(r.w.full) // as if the process were killed once the disk has everything
	<-r.w.done
	to := &told{}
	s, err := Open(bytes.NewReader(out.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), to); !errors.Is(err, ErrCutOff) {
		t.Errorf("got %v, want %v", err, ErrCutOff)
	}
	equal(t, to.lines, []string{"tick 1s", "tick 3s"})
}

func TestFullDiskIsAnErrorAndNoPanic(t *testing.T) {
	r, err := New(&limited{room: 2000}, Meta{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	to := &told{}
	_ = r.Around(script(func(in source.Receiver) {
		for i := range 5000 {
			in.Record(segment(time.Duration(i), uint32(i*100), strings.Repeat(fmt.Sprint(i), 30), "", 0))
			r.Settle(sock, 0, uint32(i*100+200))
			in.Tick(time.Duration(i) * time.Second)
		}
	})).Run(context.Background(), to)
	if r.Err() == nil || r.Close() == nil {
		t.Error("no error")
	}
	if len(to.lines) != 10_000 {
		t.Errorf("the pipeline was told %d things, want 10000", len(to.lines))
	}
}

type limited struct{ room int }

func (l *limited) Write(p []byte) (int, error) {
	if l.room -= len(p); l.room < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

func TestNewerVersionIsRefused(t *testing.T) {
	file, _ := sample(t)
	file[8] = Version + 1
	if _, err := Open(bytes.NewReader(file), nil); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("got %v", err)
	}
}

// FuzzRead holds that no file makes the reader panic, and that what a recorder wrote is read as it was told up to the place
// where it was changed.
func FuzzRead(f *testing.F) {
	file, _ := sample(f)
	f.Add(file[:2000], uint16(50), byte(1))
	f.Fuzz(func(_ *testing.T, file []byte, at uint16, change byte) {
		if len(file) > 0 {
			file = bytes.Clone(file)
			file[int(at)%len(file)] ^= change
		}
		if s, err := Open(bytes.NewReader(file), nil); err == nil {
			_ = s.Run(context.Background(), &told{})
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	record := segment(time.Second, 100, strings.Repeat("GET / HTTP/1.1\r\n", 8), "", 0)
	r, err := New(discard{}, Meta{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.to = receiver{func() (*model.Process, string) { return nil, "" }}
	b.ReportAllocs()
	b.SetBytes(int64(len(record)))
	i := 0
	for b.Loop() {
		r.Record(record)
		r.Settle(sock, 0, 100+128)
		if i++; i%100 == 0 {
			r.Tick(time.Second)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
