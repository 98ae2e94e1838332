// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/source"
	"sonde/agent/source/recording"
	"sonde/probes/event"
	"sonde/testbed/apps"
)

// secret marks everything that must not be in a recording.
const secret = "hunter2"

// recorded runs sonde with -w FILE while traffic runs and returns what it wrote to stdout.
func (l *lab) recorded(t *testing.T, file string, port int, traffic func()) []byte {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(l.bin, "observe", "-o", "json", "--port", strconv.Itoa(port), "-w", file)
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || !strings.Contains(lines.Text(), "ready") {
		_ = cmd.Process.Kill()
		t.Fatalf("sonde: %s: %v", lines.Text(), cmd.Wait())
	}
	traffic()
	time.Sleep(time.Second)
	_ = cmd.Process.Signal(unix.SIGINT)
	for lines.Scan() {
		t.Log(lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// replay returns what sonde shows of a recording.
func (l *lab) replay(t *testing.T, file string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(l.bin, append([]string{"observe", "-o", "json", "--quiet", "--read", file}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReplayGivesTheBytesThatLiveGave(t *testing.T) {
	l := newLab(t)
	for _, kind := range []apps.Kind{apps.Nginx, apps.Go, apps.Node} {
		t.Run(string(kind), func(t *testing.T) {
			s := l.server(t, kind, "127.0.0.1")
			file := filepath.Join(t.TempDir(), "run.sonde")
			live := l.recorded(t, file, s.Port, func() {
				for _, ck := range []apps.ClientKind{apps.GoClient, apps.NodeClient} {
					c := l.client(t, ck, s)
					for _, r := range plan(string(ck)) {
						if _, err := c.Do(r.method, r.path, r.body); err != nil {
							t.Error(err)
						}
					}
					_ = c.Close()
				}
				secretive(t, s)
				inPieces(t, s.Addr)
			})
			if n := bytes.Count(live, []byte(`"type":"request"`)); n < 2*2*23 {
				t.Fatalf("%d requests live, want at least %d", n, 2*2*23)
			}
			port := strconv.Itoa(s.Port)
			first, second := l.replay(t, file, "--port", port), l.replay(t, file, "--port", port)
			if !bytes.Equal(first, second) {
				t.Error("two replays differ")
			}
			if !bytes.Equal(live, first) {
				t.Errorf("replay differs from live:\n%s", differentLines(live, first))
			}
			noSecret(t, file)
		})
	}
}

// secretive sends the secret wherever it may stand in a request.
func secretive(t *testing.T, s *apps.Server) {
	t.Helper()
	for range 5 {
		body := strings.NewReader(strings.Repeat(secret, 100))
		r, err := http.NewRequest(http.MethodPost, s.URL()+"/echo?token="+secret+"&b="+secret, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		r.Header.Set("Cookie", "a="+secret)
		r.Header.Set("X-"+strings.Repeat("Long-", 30), strings.Repeat(secret, 300))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

// inPieces sends what is no HTTP, a request in pieces, and a request whose client does not wait for the answer.
func inPieces(t *testing.T, addr string) {
	t.Helper()
	for _, pieces := range [][]string{
		{"\x16\x03\x01" + secret + "\x00\xff\r\n\r\n"},
		{"GET /ok HTTP/1.1\r\nHo", "st: x\r\nCookie: hunt", "er2; b=hunter2\r\n", "\r\n"},
		{"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "7\r\nhunter2\r\n", "7;a=b\r\nhun", "ter2\r\n0\r\n\r\n"},
		{"GET /ok?x=hunter2 HTTP/1.1\r\nHost: x\r\n\r\nGET /any/p?y=hunter2 HTTP/1.1\r\nHost: x\r\nCookie: hunter2\r\n\r\n"},
		{secret + " " + secret},
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pieces {
			if _, err := c.Write([]byte(p)); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		_ = c.Close()
	}
}

// noSecret looks for the secret in the payload of every record.
func noSecret(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := recording.Open(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := &secrets{t: t}
	if err := s.Run(context.Background(), found); err != nil {
		t.Fatal(err)
	}
	if found.payload == 0 {
		t.Error("the recording has no payload at all")
	}
}

type secrets struct {
	t       *testing.T
	payload int
}

func (s *secrets) Tick(time.Duration) {}

func (s *secrets) Record(r source.Record) {
	if seg := event.As[event.Segment](r); r.Kind() == event.KindSegment && seg != nil {
		head, tail, _ := event.Payload(r, seg)
		s.payload += len(head) + len(tail)
	}
	for _, part := range []string{secret, "hunt", "ter2"} { // pieces of it, where a segment was cut
		if bytes.Contains(r, []byte(part)) {
			s.t.Errorf("%q is in the recording: %q", part, r)
		}
	}
}

// differentLines returns the first lines of two texts that differ.
func differentLines(a, b []byte) string {
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	text := fmt.Sprintf("%d and %d lines\n", len(x), len(y))
	shown := 0
	for i := 0; i < min(len(x), len(y)) && shown < 3; i++ {
		if !bytes.Equal(x[i], y[i]) {
			text += fmt.Sprintf("line %d\n  %s\n  %s\n", i+1, x[i], y[i])
			shown++
		}
	}
	return text
}

func TestRecordStopsAtItsLimitAndRefusesToOverwrite(t *testing.T) {
	l := newLab(t)
	s := l.server(t, apps.Go, "127.0.0.1")
	file := filepath.Join(t.TempDir(), "run.sonde")
	cmd := exec.Command(l.bin, "record", "-w", file, "--port", strconv.Itoa(s.Port), "--max-size", "20k")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for end := time.Now().Add(30 * time.Second); ; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
		default:
			if time.Now().After(end) {
				_ = cmd.Process.Kill()
				t.Fatal("did not stop at its limit")
			}
			if resp, err := http.Get(s.URL() + "/any/" + strconv.Itoa(int(time.Now().UnixNano()))); err == nil {
				_ = resp.Body.Close()
			}
			continue
		}
		break
	}
	if n := bytes.Count(l.replay(t, file), []byte(`"type":"request"`)); n == 0 {
		t.Error("nothing recorded")
	}
	out, err := exec.Command(l.bin, "record", "-w", file, "--duration", "1s").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "exists") {
		t.Errorf("overwrites: %v %s", err, out)
	}
}
