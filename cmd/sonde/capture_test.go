// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/gzip"
)

// captureFile is a capture of a request and its answer, joined in the middle, on port 8080, and of a query of DNS.
func captureFile(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := pcapgo.NewWriterNanos(&out)
	if err := w.WriteFileHeader(65535, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	client, server := []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}
	ip := func(from, to []byte, p layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, IHL: 5, Protocol: p, SrcIP: from, DstIP: to}
	}
	for i, p := range [][]gopacket.SerializableLayer{
		{ip(client, server, layers.IPProtocolTCP), &layers.TCP{SrcPort: 40000, DstPort: 8080, Seq: 1, Ack: 1, ACK: true},
			gopacket.Payload("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")},
		{ip(server, client, layers.IPProtocolTCP), &layers.TCP{SrcPort: 8080, DstPort: 40000, Seq: 1, Ack: 29, ACK: true},
			gopacket.Payload("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
		{ip(client, server, layers.IPProtocolICMPv4), gopacket.Payload("\x08\x00\x00\x00\x00\x07\x00\x01")},
	} {
		b := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, p...); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1_700_000_000, int64(i)*1_500_000)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}, b.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestObserveReadsCaptures(t *testing.T) {
	plain := captureFile(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	request := `{"type":"request","time":"2023-11-14T22:13:20.000000000Z","duration_ns":1500000,"protocol":"http","role":"wire",` +
		`"client":{"address":"10.0.0.1","port":40000},"server":{"address":"10.0.0.2","port":8080},"outcome":"ok"`
	for _, c := range []struct {
		name   string
		file   []byte
		args   string
		code   int
		stdout []string // what each line begins with
		stderr string
	}{
		{"everything", plain, "", 0, []string{request, `{"type":"flow","transport":"tcp"`, `{"type":"flow","transport":"icmp"`},
			"sonde: 3 packets, 174 bytes, 0.003 s\nsonde: shown 3 events of 1 requests and 1 connections\n"},
		{"packed", packed.Bytes(), "--quiet", 0, []string{request, `{"type":"flow","transport":"tcp"`, `{"type":"flow","transport":"icmp"`}, ""},
		{"by protocol", plain, "--protocol http --type request --quiet", 0, []string{request}, ""},
		{"by port", plain, "--port 9090 --quiet", 0, nil, ""},
		{"by time", plain, "--since 2023-11-14T22:13:20.003Z --quiet", 0, []string{`{"type":"flow","transport":"icmp"`}, ""},
		{"the first", plain, "--limit 1 --quiet", 0, []string{request}, ""},
		{"the last", plain, "--last 1 --quiet", 0, []string{`{"type":"flow","transport":"icmp"`}, ""},
		{"damaged", plain[:150], "--quiet", 1, []string{`{"type":"request"`, `{"type":"flow","transport":"tcp"`},
			"packet 2, at byte 108: the file ends in the middle"},
		{"no capture", []byte("GET / HTTP/1.1\r\n"), "", 1, nil, "this is no recording of sonde and no capture"},
		{"nothing", nil, "", 1, nil, "the file is empty"},
		{"live flags", plain, "--ring-size 65536", 2, nil, "--ring-size is about live observation"},
		{"processes", plain, "--process nginx", 2, nil, "a capture file does not tell processes"},
		{"roles", plain, "--role server", 2, nil, "--role can only be wire"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "capture")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"observe", "-o", "json", "--read", path}, strings.Fields(c.args)...)
			r := sonde(t, args...)
			if r.code != c.code || !strings.Contains(r.stderr, c.stderr) || c.stderr == "" && r.stderr != "" {
				t.Errorf("exit code %d, stderr %q, want %d, %q", r.code, r.stderr, c.code, c.stderr)
			}
			lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
			if r.stdout == "" {
				lines = nil
			}
			for i := range max(len(lines), len(c.stdout)) {
				if i >= len(lines) || i >= len(c.stdout) || !strings.HasPrefix(lines[i], c.stdout[i]) {
					t.Fatalf("got\n%s\nwant lines that begin with\n%s", r.stdout, strings.Join(c.stdout, "\n"))
				}
			}
			if again := sonde(t, args...); again.stdout != r.stdout {
				t.Errorf("another reading, other output:\n%s", again.stdout)
			}
		})
	}
}
