// SPDX-License-Identifier: Apache-2.0

package units

import (
	"testing"
	"time"
)

func TestSizesAreReadable(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0B", 82: "82B", 999: "999B", 1000: "1.0kB", 1234: "1.2kB", 999_949: "999.9kB", 999_999: "999.9kB",
		1_000_000: "1.0MB", 200_000_000: "200.0MB", 3_400_000_000: "3.4GB", 1 << 63: "9.2EB", 1<<64 - 1: "18.4EB",
	} {
		if got := string(AppendSize(nil, n)); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestDurationsAreReadable(t *testing.T) {
	for _, tt := range []struct {
		d      time.Duration
		digits int
		want   string
	}{
		{-1, 3, "-"},
		{0, 3, "0ns"},
		{999, 3, "999ns"},
		{120 * time.Microsecond, 1, "120us"},
		{1_234_567, 3, "1.234ms"},
		{time.Millisecond, 3, "1.000ms"},
		{time.Microsecond, 3, "1us"},
		{time.Second, 1, "1.0s"},
		{50 * time.Millisecond, 3, "50.000ms"},
		{999_999_600, 3, "999.999ms"},
		{1250 * time.Millisecond, 1, "1.2s"},
		{59*time.Second + 999*time.Millisecond, 3, "59.999s"},
		{time.Minute, 3, "1m00s"},
		{2*time.Minute + 3*time.Second, 3, "2m03s"},
		{62 * time.Minute, 3, "1h02m"},
		{1000 * time.Hour, 1, "1000h00m"},
	} {
		if got := string(AppendDuration(nil, tt.d, tt.digits)); got != tt.want {
			t.Errorf("%d ns: got %s, want %s", tt.d, got, tt.want)
		}
	}
}

func TestClockHasSixDigitsOfASecond(t *testing.T) {
	for _, want := range []string{"00:00:00.000000", "23:59:59.999999", "01:02:03.000004", "12:00:00.100000"} {
		at, err := time.Parse("15:04:05.000000", want)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendClock(nil, at.Add(999))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// FuzzEscaped holds that no text leaves its field or reaches the terminal, and that none is mistaken for another.
func FuzzEscaped(f *testing.F) {
	f.Add("/path", `/path\x20`)
	f.Add("\x1b[2J", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		escaped := string(AppendEscaped(nil, a))
		for i := range len(escaped) {
			if escaped[i] <= ' ' || escaped[i] > '~' {
				t.Fatalf("%q leaves %q", a, escaped)
			}
		}
		if a != "-" && b != "-" && (escaped == string(AppendEscaped(nil, b))) != (a == b) {
			t.Fatalf("%q and %q read the same: %s", a, b, escaped)
		}
	})
}
