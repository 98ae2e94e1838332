// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// What a TLS handshake is counted by.
var tlsKeys = []string{"tls.protocol.version", "server.address", "sonde.tls.offered_protocols", "tls.next_protocol", "tls.established", "error.type"}

// tlsServer starts openssl's, which answers GET, and returns its port.
func tlsServer(t testing.TB, args ...string) int {
	t.Helper()
	dir := t.TempDir()
	key, cert := filepath.Join(dir, "key"), filepath.Join(dir, "cert")
	run(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=shop.test",
		"-days", "2", "-keyout", key, "-out", cert)
	port, err := apps.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("openssl", append([]string{"s_server", "-quiet", "-www", "-alpn", "http/1.1", "-accept", fmt.Sprintf("127.0.0.1:%d", port),
		"-key", key, "-cert", cert}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return port
		}
		if time.Now().After(end) {
			t.Fatal("openssl s_server does not listen")
		}
	}
}

// curlTLS fetches over TLS from a name that only curl is told the address of. It returns curl's error.
func curlTLS(port int, name string, args ...string) error {
	url := fmt.Sprintf("https://%s:%d/", name, port)
	args = append([]string{"-sS", "-k", "--noproxy", "*", "--max-time", "30", "-o", "/dev/null",
		"--resolve", fmt.Sprintf("%s:%d:127.0.0.1", name, port), url}, args...)
	out, err := exec.Command("curl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("curl: %w: %s", err, out)
	}
	return nil
}

func TestTLSHandshakesSayWhatTheyAgreedOn(t *testing.T) {
	l := newLab(t)
	port := tlsServer(t)
	ob := l.observe(t, port)
	want := harness.Tally{}
	for range 10 {
		for _, args := range [][]string{{"--tlsv1.3"}, {"--tls-max", "1.2"}, {"--tlsv1.3", "--no-alpn"}} {
			if err := curlTLS(port, "www.shop.test", args...); err != nil {
				t.Fatal(err)
			}
		}
	}
	want.Both(10, "ok 1.3 www.shop.test h2,http/1.1 true")
	want.Both(10, "ok 1.2 www.shop.test h2,http/1.1 http/1.1 true")
	want.Both(10, "ok 1.3 www.shop.test true")
	ob.Await(60, func(e *harness.Event) bool { return e.Type == "flow" && e.State == "closed" && ob.ours(e) })
	events := ob.expectTally(want, tlsKeys...)
	named(t, events, "openssl")
	encrypted := 0
	for i := range events {
		if e := &events[i]; e.Type == "flow" && e.View == "socket" && e.Encrypted == "tls" {
			encrypted++
		}
	}
	if encrypted != 60 {
		t.Errorf("%d flows are encrypted, want 60", encrypted)
	}
}

func TestTLSHandshakeThatFailsSaysWhy(t *testing.T) {
	l := newLab(t)
	port := tlsServer(t, "-tls1_3")
	ob := l.observe(t, port)
	for range 5 {
		if curlTLS(port, "old.shop.test", "--tls-max", "1.2", "--no-alpn") == nil {
			t.Fatal("a server of TLS 1.3 spoke 1.2")
		}
	}
	want := harness.Tally{}
	want.Both(5, "error old.shop.test false protocol_version")
	ob.expectTally(want, tlsKeys...)
}
