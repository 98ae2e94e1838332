// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
)

// damageTimeout is thousands of times what a damaged capture takes.
const damageTimeout = 30 * time.Second

// damageRounds is the number of variants of each capture; SONDE_DAMAGE asks for more.
const damageRounds = 3

// packet is one packet of a capture.
type packet struct {
	info gopacket.CaptureInfo
	data []byte
}

// TestDamagedCapturesDoNoHarm runs every capture with packets lost, doubled, out of order, cut and with changed bytes: nothing
// may panic, hang, or hold more memory than a capture of that size is worth.
func TestDamagedCapturesDoNoHarm(t *testing.T) {
	root := Path(t)
	rounds := damageRounds
	if os.Getenv("SONDE_DAMAGE") != "" {
		rounds = 100
	}
	variants := 0
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || e.IsDir() || ext != ".pcap" && ext != ".trace" {
			return err
		}
		packets, header, err := packetsOf(path)
		if err != nil {
			return nil // pcapng under another name; TestEveryCaptureIsRead has it
		}
		for i := range rounds {
			random := rand.New(rand.NewPCG(uint64(i), uint64(len(packets))))
			within(t, path, i, damaged(random, packets, header))
			variants++
		}
		return nil
	})
	if err != nil || variants == 0 {
		t.Fatalf("%d variants, %v", variants, err)
	}
	t.Logf("%d variants", variants)
}

// within reads a capture and fails with all stacks when that takes too long.
func within(t *testing.T, path string, round int, file []byte) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = ReadFrom(bytes.NewReader(file)) // damaged files are an error, and rightly so
	}()
	select {
	case <-done:
	case <-time.After(damageTimeout):
		stacks := make([]byte, 1<<20)
		t.Fatalf("%s, variant %d: not read after %v\n%s", path, round, damageTimeout, stacks[:runtime.Stack(stacks, true)])
	}
}

func packetsOf(path string) (packets []packet, header *pcapgo.Reader, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if header, err = pcapgo.NewReader(f); err != nil {
		return nil, nil, err
	}
	for {
		data, info, err := header.ReadPacketData()
		if errors.Is(err, io.EOF) || len(packets) > 20_000 {
			return packets, header, nil
		}
		if err != nil {
			return packets, header, nil
		}
		packets = append(packets, packet{info, data})
	}
}

// damaged returns a capture in which some packets have gone wrong. Each variant has its own mix of damage.
func damaged(random *rand.Rand, packets []packet, header *pcapgo.Reader) []byte {
	odds := [5]float64{}
	for i := range odds {
		if random.IntN(2) == 0 {
			odds[i] = random.Float64() * 0.2
		}
	}
	var out []packet
	for _, p := range packets {
		if random.Float64() < odds[0] {
			continue
		}
		if random.Float64() < odds[1] {
			out = append(out, p)
		}
		data := bytes.Clone(p.data)
		if random.Float64() < odds[2] && len(data) > 60 {
			data = data[:54+random.IntN(len(data)-54)]
		}
		if random.Float64() < odds[3] && len(data) > 54 {
			for range 1 + random.IntN(8) {
				data[42+random.IntN(len(data)-42)] = byte(random.IntN(256))
			}
		}
		p.data = data
		out = append(out, p)
		if n := len(out); random.Float64() < odds[4] && n > 1 {
			other := max(0, n-1-random.IntN(8))
			out[n-1].data, out[other].data = out[other].data, out[n-1].data
		}
	}
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	_ = w.WriteFileHeader(65536, header.LinkType()) // a buffer takes everything
	for _, p := range out {
		p.info.CaptureLength = len(p.data)
		p.info.Length = max(p.info.Length, len(p.data))
		_ = w.WritePacket(p.info, p.data)
	}
	return file.Bytes()
}
