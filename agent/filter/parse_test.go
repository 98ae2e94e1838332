// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseStatus(t *testing.T) {
	for in, want := range map[string]statusRange{
		"200": {200, 200}, "999": {999, 999}, "5+": {500, 599}, "1+": {100, 199}, "40+": {400, 409},
		"400-499": {400, 499}, "404-404": {404, 404}, "200-599": {200, 599},
	} {
		if got, ok := parseStatus(in); !ok || got != want {
			t.Errorf("%q: %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{
		"", "+", "5", "50", "5000", "500+", "0+", "099", "000", "-", "400-", "-499", "4-5", "499-400", "4xx", "+5", "5++",
		"400-450-499", "２00", "+12", "2 0", "5 +", "-1", "1e2",
	} {
		if got, ok := parseStatus(in); ok {
			t.Errorf("%q is accepted as %v", in, got)
		}
	}
}

var (
	zone = time.FixedZone("test", 3*3600)
	now  = time.Date(2026, 5, 17, 15, 4, 5, 999, zone)
)

func TestParseTime(t *testing.T) {
	for in, want := range map[string]time.Time{
		"5m":                           now.Add(-5 * time.Minute),
		"1h30m":                        now.Add(-90 * time.Minute),
		"0s":                           now,
		"1.5s":                         now.Add(-1500 * time.Millisecond),
		" 5m ":                         now.Add(-5 * time.Minute),
		"14:05":                        time.Date(2026, 5, 17, 14, 5, 0, 0, zone),
		"09:05:30":                     time.Date(2026, 5, 17, 9, 5, 30, 0, zone),
		"23:59":                        time.Date(2026, 5, 17, 23, 59, 0, 0, zone), // today, though not yet
		"2026-01-02T14:05:00Z":         time.Date(2026, 1, 2, 14, 5, 0, 0, time.UTC),
		"2026-01-02T14:05:00.25+02:00": time.Date(2026, 1, 2, 12, 5, 0, 250_000_000, time.UTC),
		"1700000000":                   time.Unix(1_700_000_000, 0),
		"1700000000.25":                time.Unix(1_700_000_000, 250_000_000),
		"1700000000.":                  time.Unix(1_700_000_000, 0),
	} {
		if got, err := ParseTime(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", in, got, err, want)
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	for in, hint := range map[string]string{
		"":                      "accepted are 5m",
		"yesterday":             "accepted are 5m",
		"5":                     "add its unit",
		"0":                     "add its unit",
		"1700000000000":         "seconds since 1970",
		"1.7.0":                 "seconds",
		"1700000000.1234567890": "seconds",
		"-5m":                   "accepted are",
		"24:00":                 "accepted are",
		"9:05":                  "accepted are",
		"14:05:61":              "accepted are",
		"2026-01-02":            "accepted are",
		"2026-13-02T00:00:00Z":  "accepted are",
	} {
		if got, err := ParseTime(in, now); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: %v, error %v, want one with %q", in, got, err, hint)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	for _, s := range []string{"200", "5+", "40+", "400-499", "500+", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseStatus(s)
		if !ok {
			return
		}
		if r.from < 100 || r.to > 999 || r.from > r.to {
			t.Fatalf("%q: %v", s, r)
		}
		if again, ok := parseStatus(fmt.Sprintf("%d-%d", r.from, r.to)); !ok || again != r {
			t.Errorf("%q: %v reads back as %v", s, r, again)
		}
		if first := strings.TrimSuffix(s, "+"); first != s && !strings.HasPrefix(fmt.Sprint(r.from), first) {
			t.Errorf("%q begins at %d", s, r.from)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"5m", "1h30m", "14:05", "14:05:30", "2026-01-02T14:05:00Z", "1700000000.25", "5", "-5m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s, now)
		if err != nil {
			if !got.IsZero() || !strings.Contains(err.Error(), "accepted are") {
				t.Fatalf("%q: %v with error %v", s, got, err)
			}
			return
		}
		if strings.ContainsAny(s, "hmsuµ") && !strings.Contains(s, ":") && got.After(now) {
			t.Errorf("%q: %v is after now", s, got)
		}
		if y := got.Year(); y < 0 || y > 9999 {
			t.Fatalf("%q: year %d", s, y)
		}
		if again, err := ParseTime(got.Format(time.RFC3339Nano), now); err != nil || !again.Equal(got) {
			t.Errorf("%q: %v reads back as %v, %v", s, got, again, err)
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("n*x", "nginx")
	f.Add("*?é", "aéé")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if !strings.ContainsAny(pattern, "*?") && glob(pattern, name) != (pattern == name) {
			t.Errorf("%q without wildcards and %q", pattern, name)
		}
		if !glob("*", name) || !glob("*"+name, name) && !strings.ContainsAny(name, "*?") {
			t.Errorf("%q does not match itself behind a *", name)
		}
	})
}
