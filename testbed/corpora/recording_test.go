// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/source"
	"sonde/agent/source/pcap"
	"sonde/agent/source/recording"
	"sonde/exporters/jsonl"
	"sonde/probes/event"
)

// lines is a sink that writes what `sonde observe -o json` does.
type lines struct {
	bytes.Buffer
	out *jsonl.Writer
}

func newLines() *lines {
	l := &lines{}
	l.out = jsonl.NewWriter(&l.Buffer, func() model.Clock { return model.Clock{} })
	return l
}

func (l *lines) Request(r *model.Request)                         { l.out.Request(r) }
func (l *lines) Flow(f *model.Flow, _ model.FlowDelta)            { l.out.Flow(f) }
func (l *lines) Lost(x *model.Loss)                               { l.out.Lost(x) }
func (l *lines) all() []string                                    { l.out.Flush(); return strings.Split(l.String(), "\n") }
func nobody(uint32, time.Duration, string, uint64) *model.Process { return &model.Process{} }
func noInterface(uint32) string                                   { return "" }

// run joins a source and a pipeline.
func run(t testing.TB, config conn.Config, from source.Source, identify conn.Identify) []string {
	t.Helper()
	l := newLines()
	if err := pipeline.New(config, identify, noInterface, l).Run(context.Background(), from); err != nil {
		t.Log(err)
	}
	return l.all()
}

// record runs a capture with a recorder around it, as `observe -w` does with the kernel, and returns what was shown and the file.
func record(t testing.TB, capture io.Reader) (shown []string, file []byte, stats recording.Stats) {
	t.Helper()
	var out bytes.Buffer
	r, err := recording.New(&out, recording.Meta{Version: "test"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := conn.Capture()
	config.Recorder = r
	shown = run(t, config, r.Around(pcap.New(pcap.Default(), capture)), r.Identify(nobody))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return shown, out.Bytes(), r.Stats()
}

// replay reads a recording.
func replay(t testing.TB, file []byte) []string {
	t.Helper()
	s, err := recording.Open(bytes.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, conn.Capture(), s, s.Identify)
}

// differs are captures of which a recording cannot show the same, and why.
var differs = map[string]string{
	"deepflow/flow_generator/mqtt/mqtt_roundtrip.pcap":             "a segment waits for another for longer than a recording holds it back",
	"deepflow/flow_generator/mysql/mysql-compressed-response.pcap": compressed,
	"deepflow/flow_generator/mysql/mysql-use.pcap":                 compressed,
	"deepflow/flow_generator/mysql/partial-packet-compressed.pcap": compressed,
}

const compressed = "what is private in compressed packets of MySQL cannot be told: all is hidden"

// TestRecordingsShowTheSame runs each capture with a recorder around it, and what that wrote.
func TestRecordingsShowTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs every capture twice")
	}
	root := Path(t)
	files, same := 0, 0
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || e.IsDir() || ext != ".pcap" && ext != ".trace" && ext != ".pcapng" {
			return err
		}
		name, _ := filepath.Rel(root, path)
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		shown, file, stats := record(t, in)
		files++
		difference := firstDifference(shown, replay(t, file))
		switch reason, known := differs[filepath.ToSlash(name)]; {
		case difference == "":
			same++
			if known {
				t.Errorf("%s: the replay shows the same: it is no exception any more", name)
			}
		case known:
			t.Logf("%s: %s", name, reason)
		default:
			t.Errorf("%s (%d bytes left out): %s", name, stats.CutOff, difference)
		}
		return in.Close()
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files, %v", files, err)
	}
	t.Logf("%d of %d captures show the same", same, files)
}

// firstDifference tells where two outputs part, "" when they are the same.
func firstDifference(live, again []string) string {
	for i := range max(len(live), len(again)) {
		a, b := "", ""
		if i < len(live) {
			a = live[i]
		}
		if i < len(again) {
			b = again[i]
		}
		if a != b {
			return fmt.Sprintf("line %d of %d and %d\n live %.700s\nagain %.700s", i+1, len(live), len(again), a, b)
		}
	}
	return ""
}

// payloads is a receiver that keeps the payload of segments, by socket and direction.
type payloads map[string][]byte

func (p payloads) Record(r source.Record) {
	s := event.As[event.Segment](r)
	if r.Kind() != event.KindSegment || s == nil {
		return
	}
	head, tail, _ := event.Payload(r, s)
	side := fmt.Sprint(s.Hdr.Sock, s.Dir)
	p[side] = append(append(p[side], head...), tail...)
}

func (p payloads) Tick(time.Duration) {}

// all returns the payload of a recording, side by side.
func (p payloads) all() (b []byte) {
	for _, side := range p {
		b = append(append(b, side...), 0)
	}
	return b
}

// secret stands in every private place of a script.
const secret = "S3cr3tPassw0rd"

// turn is what one side says.
type turn struct {
	server bool
	p      []byte
}

func up(p ...any) turn   { return turn{false, glue(p)} }
func down(p ...any) turn { return turn{true, glue(p)} }

// glue puts bytes together: text, bytes, and numbers as one byte.
func glue(parts []any) (b []byte) {
	for _, x := range parts {
		switch x := x.(type) {
		case string:
			b = append(b, x...)
		case []byte:
			b = append(b, x...)
		case int:
			b = append(b, byte(x))
		case rune:
			b = append(b, byte(x))
		}
	}
	return b
}

// capture makes a capture of a connection in packets of at most size bytes. The one with number without is missing, -1 for
// none; parts is how many there are.
func capture(turns []turn, size, without int) (file []byte, parts int) {
	le := binary.LittleEndian
	file = []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0} // raw IP
	seq, now := [2]uint32{1000, 5000}, uint32(0)
	send := func(from int, flags byte, p []byte) {
		now += 1000
		ip := make([]byte, 40, 40+len(p))
		ip[0], ip[8], ip[9] = 0x45, 64, 6
		binary.BigEndian.PutUint16(ip[2:], uint16(40+len(p)))
		copy(ip[12:], []byte{10, 0, 0, byte(1 + from), 10, 0, 0, byte(2 - from)})
		port := [2]uint16{40000, 9999}
		binary.BigEndian.PutUint16(ip[20:], port[from])
		binary.BigEndian.PutUint16(ip[22:], port[1-from])
		binary.BigEndian.PutUint32(ip[24:], seq[from])
		binary.BigEndian.PutUint32(ip[28:], seq[1-from])
		ip[32], ip[33], ip[34] = 0x50, flags, 0xff
		ip = append(ip, p...)
		file = le.AppendUint32(file, 1)
		file = le.AppendUint32(file, now)
		file = le.AppendUint32(le.AppendUint32(file, uint32(len(ip))), uint32(len(ip)))
		file = append(file, ip...)
		if parts++; parts == without+1 {
			file = file[:len(file)-len(ip)-16]
		}
		if seq[from] += uint32(len(p)); flags&3 != 0 {
			seq[from]++
		}
	}
	send(0, 0x02, nil)
	send(1, 0x12, nil)
	send(0, 0x10, nil)
	for _, x := range turns {
		from := 0
		if x.server {
			from = 1
		}
		for part := range slices.Chunk(x.p, size) {
			send(from, 0x18, part)
		}
	}
	send(0, 0x11, nil)
	send(1, 0x11, nil)
	send(0, 0x10, nil)
	return file, parts
}

func TestRecordingsHoldNoSecret(t *testing.T) {
	for _, s := range scripts() {
		for _, size := range []int{1400, 7, 1} {
			t.Run(fmt.Sprintf("%s/%d", s.name, size), func(t *testing.T) {
				whole, _ := capture(s.turns, size, -1)
				shown, file, stats := record(t, bytes.NewReader(whole))
				again := replay(t, file)
				if difference := firstDifference(shown, again); difference != "" {
					t.Error(difference)
				}
				holdsNoSecret(t, file)
				requests := 0
				for _, l := range shown {
					if strings.Contains(l, `"type":"request"`) {
						requests++
					}
				}
				if requests != s.requests || stats.CutOff != s.cutOff {
					t.Errorf("%d requests, %d bytes left out; want %d, %d:\n%s", requests, stats.CutOff, s.requests, s.cutOff, strings.Join(shown, "\n"))
				}
			})
		}
	}
}

// TestRecordingsWithGapsHoldNoSecret loses each packet in turn.
func TestRecordingsWithGapsHoldNoSecret(t *testing.T) {
	for _, s := range scripts() {
		for _, size := range []int{1400, 29} {
			_, parts := capture(s.turns, size, -1)
			differ := 0
			for without := range parts {
				cut, _ := capture(s.turns, size, without)
				shown, file, _ := record(t, bytes.NewReader(cut))
				if !holdsNoSecret(t, file) {
					t.Errorf("%s in packets of %d bytes, without number %d", s.name, size, without)
				}
				if firstDifference(shown, replay(t, file)) != "" {
					differ++
				}
			}
			t.Logf("%s in packets of %d bytes: with %d of %d gaps, the replay shows the same", s.name, size, parts-differ, parts)
		}
	}
}

// holdsNoSecret looks for the secret in the payload of a recording, as it is and as protocols encode it.
func holdsNoSecret(t *testing.T, file []byte) bool {
	t.Helper()
	held := payloads{}
	in, err := recording.Open(bytes.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Run(context.Background(), held); err != nil {
		t.Fatal(err)
	}
	all := held.all()
	for _, private := range [][]byte{[]byte(secret), masked(1, secret)[6:], hpack.AppendHuffmanString(nil, secret)} {
		for at := range len(private) - 3 { // a part would be told as well
			if i := bytes.Index(all, private[at:at+4]); i >= 0 {
				t.Errorf("%q is in the file: %q", private[at:at+4], all[max(0, i-60):i+10])
				return false
			}
		}
	}
	return true
}
