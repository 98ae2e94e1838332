// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// What a DNS query is counted by.
var dnsKeys = []string{"network.transport", "sonde.dns.question.type", "dns.question.name", "sonde.dns.response_code", "dns.answers"}

// dig asks each question n times.
func dig(t testing.TB, s *apps.Server, n int, questions []string, args ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "questions")
	if err := os.WriteFile(file, []byte(strings.Repeat(strings.Join(questions, "\n")+"\n", n)), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"@127.0.0.1", "-p", strconv.Itoa(s.Port), "+tries=1", "+time=20", "-f", file}, args...)
	if out := run(t, "dig", args...); strings.Count(out, "status: ") != n*len(questions) {
		t.Fatal(out)
	}
}

func TestDNSQueriesAreCountedOverBothTransports(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Dnsmasq)
	ob := l.observe(t, s.Port)
	want := harness.Tally{}
	questions := []string{"a.shop.test A", "a.shop.test AAAA", "txt.shop.test TXT", "_http._tcp.shop.test SRV", "nothing.shop.test A"}
	for transport, args := range map[string][]string{"udp ": nil, "": {"+tcp"}} {
		dig(t, s, 30, questions, args...)
		want.Both(30, "ok "+transport+"A a.shop.test NOERROR 10.1.2.3")
		want.Both(30, "ok "+transport+"AAAA a.shop.test NOERROR fd00::7")
		want.Both(30, "ok "+transport+"TXT txt.shop.test NOERROR")
		want.Both(30, "ok "+transport+"SRV _http._tcp.shop.test NOERROR")
		want.Both(30, "error "+transport+"A nothing.shop.test NXDOMAIN")
	}
	events := ob.expectTally(want, dnsKeys...)
	for i := range events {
		if e := &events[i]; e.Type == "request" && e.Role == "client" && e.Client.Process != "dig" {
			t.Errorf("client: %s", e)
		}
	}
	named(t, events, "dnsmasq")
}

func TestGoResolverMeasuresWhatSondeSees(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Dnsmasq)
	ob := l.observe(t, s.Port)
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.Addr)
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const n = 200
	var measured []time.Duration
	for range n {
		began := time.Now()
		txt, err := resolver.LookupTXT(ctx, "txt.shop.test.")
		measured = append(measured, time.Since(began))
		if err != nil || len(txt) != 1 {
			t.Fatal(txt, err)
		}
	}
	if addrs, err := resolver.LookupHost(ctx, "a.shop.test."); err != nil || len(addrs) != 2 {
		t.Fatal(addrs, err)
	}
	var missing *net.DNSError
	if _, err := resolver.LookupHost(ctx, "nothing.shop.test."); !errors.As(err, &missing) || !missing.IsNotFound {
		t.Fatal(err)
	}
	want := harness.Tally{}
	want.Both(n, "ok udp TXT txt.shop.test NOERROR")
	want.Both(1, "ok udp A a.shop.test NOERROR 10.1.2.3")
	want.Both(1, "ok udp AAAA a.shop.test NOERROR fd00::7")
	want.Both(1, "error udp A nothing.shop.test NXDOMAIN")
	want.Both(1, "error udp AAAA nothing.shop.test NXDOMAIN")
	events := ob.expectTally(want, dnsKeys...)
	agree(t, measured, events, with("sonde.dns.question.type", "TXT"))
	named(t, events, "dnsmasq")
}
