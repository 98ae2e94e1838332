// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sonde/agent/model"
)

func TestSplitHost(t *testing.T) {
	tests := []struct {
		in   string
		host string
		port uint16
		ok   bool
	}{
		{"example.com", "example.com", 0, true},
		{"Example.COM:8080", "example.com", 8080, true},
		{"example.com:", "example.com", 0, true},
		{"127.0.0.1:1", "127.0.0.1", 1, true},
		{"my_service-1", "my_service-1", 0, true},
		{"[::1]", "::1", 0, true},
		{"[2001:DB8::1]:65535", "2001:db8::1", 65535, true},
		{"", "", 0, false},
		{":80", "", 0, false},
		{"[]", "", 0, false},
		{"[::1", "", 0, false},
		{"::1", "", 0, false},
		{"example.com:65536", "", 0, false},
		{"example.com:999999", "", 0, false},
		{"example.com:8a", "", 0, false},
		{"example.com:80:80", "", 0, false},
		{"a b", "", 0, false},
		{"user@example.com", "", 0, false},
		{"exämple.com", "", 0, false},
		{strings.Repeat("a", 254), "", 0, false},
	}
	for _, tt := range tests {
		host, port, ok := splitHost(tt.in)
		if ok != tt.ok || ok && (host != tt.host || port != tt.port) {
			t.Errorf("%q: got %q %d %v, want %q %d %v", tt.in, host, port, ok, tt.host, tt.port, tt.ok)
		}
	}
}

func TestAddressTextsAreBounded(t *testing.T) {
	texts := addressTexts{}
	addr := netip.MustParseAddr("2001:db8::")
	for range 3 * maxAddressTexts {
		if got := texts.text(addr); got != addr.String() {
			t.Fatalf("got %s, want %s", got, addr)
		}
		addr = addr.Next()
	}
	if len(texts) > maxAddressTexts {
		t.Errorf("%d texts", len(texts))
	}
	if texts.text(netip.Addr{}) != "" {
		t.Error("an unknown address has a text")
	}
}

// Whatever a request holds, its labels are valid UTF-8 without empty values, and no two series look the same.
func FuzzRequestLabels(f *testing.F) {
	f.Add("GET", "example.com", "1.1", "http", "", "nginx", 200)
	f.Add("get", "[::1]:8080", "2", "https", "connection_reset", "a\xff", 0)
	f.Add("", "EXAMPLE.com:80", "1.2", "", "\xff", "", -1)
	f.Fuzz(func(t *testing.T, method, host, version, scheme, reason, service string, status int) {
		a := New(Default(), nil)
		h := model.HTTP{Method: method, Host: host, Version: version, Scheme: scheme, Status: status}
		r := model.Request{HTTP: &h, Reason: reason}
		r.Client.Process = &model.Process{ServiceName: service}
		r.Server.Addr = netip.MustParseAddrPort("10.1.2.3:80")
		n := uint64(0)
		for _, host := range []string{host, strings.ToUpper(host), host + ":80", "", "10.1.2.3", "10.1.2.3:80"} {
			h.Host = host
			for o := range model.OutcomeIncomplete + 1 {
				r.Outcome = o
				for _, role := range []model.Role{model.RoleClient, model.RoleServer} {
					r.Role = role
					a.Request(&r)
					n++
				}
			}
		}
		for _, fam := range a.Snapshot().Families {
			for i, s := range fam.Series {
				switch fam.Metric {
				case model.MetricHTTPServerDuration, model.MetricHTTPClientDuration:
					n -= s.Histogram.Count()
				}
				for _, l := range s.Labels {
					if l.Value == "" || !utf8.ValidString(l.Value) {
						t.Errorf("label %d: %q", l.Attr, l.Value)
					}
				}
				for _, other := range fam.Series[:i] {
					if slices.Equal(s.Labels, other.Labels) {
						t.Errorf("two series with the labels %v", s.Labels)
					}
				}
			}
		}
		if n != 0 {
			t.Errorf("%d requests are not in the snapshot", n)
		}
	})
}
