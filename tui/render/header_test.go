// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"testing"
	"time"
)

var eve = time.Date(2026, 11, 21, 23, 59, 58, 0, time.UTC)

func headerOf(h Header, w int) string {
	c := NewCanvas(w, 2)
	h.drawTitle(c, 0)
	h.drawNumbers(c, 1)
	return c.String()
}

func TestHeaderSaysWhatIsObserved(t *testing.T) {
	for _, c := range []struct {
		h    Header
		want string
	}{
		{Header{}, "no answer yet"},
		{Header{Mode: "live", Host: "web-1"}, "live on web-1"},
		{Header{Mode: "attached", Host: "web-1", Source: "/run/sonde/sonde.sock"}, "agent on web-1  /run/sonde/sonde.sock"},
		{Header{Mode: "recording", Source: "night.sonde"}, "recording  night.sonde"},
		{Header{Mode: "capture", Host: "db", Source: "a.pcap", State: "PAUSED since 12:00:00"}, "capture of db  a.pcap"},
		{Header{Mode: "other"}, "other"},
	} {
		c.h.Time = eve
		got := headerOf(c.h, 90)
		for _, want := range []string{c.want, "2026-11-21 23:59:58", c.h.State} {
			if !strings.Contains(got, want) {
				t.Errorf("%+v: no %q in %q", c.h, want, got)
			}
		}
	}
}

func TestHeaderKeepsItsTimeAndStateInANarrowTerminal(t *testing.T) {
	h := Header{Mode: "attached", Host: "a-host-with-a-long-name", Source: "/run/sonde/sonde.sock", State: "PAUSED since 12:00:00", Time: eve}
	got := headerOf(h, 60)
	for _, want := range []string{" PAUSED since 12:00:00  2026-11-21 23:59:58", "sonde"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

func TestNumbersStayInTheirPlacesWhileTheyChange(t *testing.T) {
	places := func(h Header) string {
		line := strings.Split(headerOf(h, 120), "\n")[1]
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r == '/' {
				return r
			}
			return ' '
		}, strings.NewReplacer("<", " ", "MB", "  ", "kB", "  ", "GB", "  ", "B", " ", "1.2k", "    ", "k ", "  ").Replace(line))
	}
	want := places(Header{Mode: "live", CPU: 0.01, Memory: 1})
	for _, h := range []Header{
		{Requests: 12.3, Errors: 999.9, Flows: 99999, BytesPerS: 1e9, CPU: 9.9, Memory: 999e9, Lost: 999},
		{Requests: 99999, Errors: 0.01, Flows: 1, BytesPerS: 1, CPU: 0.0001, Memory: 1e6},
	} {
		h.Mode = "live"
		got := places(h)
		for _, word := range []string{"req/s", "err/s", "lost", "flows", "cpu"} {
			if at := strings.Index(got, word); at != strings.Index(want, word) {
				t.Errorf("%+v: %s is in column %d: %q", h, word, at, got)
			}
		}
	}
}

func TestLossIsSeenInTheNarrowestTerminal(t *testing.T) {
	c := NewCanvas(LeastWidth, 1)
	h := Header{Mode: "live", Lost: 7, LostRecent: 7, Requests: 99999, Errors: 1234}
	h.drawNumbers(c, 0)
	if !strings.Contains(c.String(), "lost  7") {
		t.Errorf("%q", c.String())
	}
	for x := range c.W {
		if cell := c.At(x, 0); cell.Text == "7" && cell.Style != Bad {
			t.Error("loss is not marked")
		}
	}
}

func TestAgentIsLeftOutWhereThereIsNone(t *testing.T) {
	if got := headerOf(Header{Mode: "recording"}, 120); strings.Contains(got, "cpu") {
		t.Errorf("%q", got)
	}
}

func TestPlaybackLine(t *testing.T) {
	for _, c := range []struct {
		p    Playback
		want string
	}{
		{Playback{State: "playing", Speed: 2, Start: eve, Position: eve.Add(time.Minute), End: eve.Add(4 * time.Minute)},
			" playing  x2  00:00:58 ━━━━━─────────────── of 1m0s / 4m0s"},
		{Playback{State: "paused", Start: eve, Position: eve.Add(time.Minute)}, " paused   as fast as possible  00:00:58  1m0s since its start, its end is not known yet"},
		{Playback{State: "ended", Speed: 0.5, Start: eve, Position: eve, End: eve.Add(time.Second), Error: "cut off"}, "ends early: cut off"},
		{Playback{State: "seeking", Speed: 1}, "--:--:--"},
	} {
		c60 := NewCanvas(len([]rune(c.want))+1, 1)
		if c.p.Error != "" || c.p.State == "seeking" {
			c60 = NewCanvas(80, 1)
		}
		c.p.draw(c60, 0)
		if got := c60.String(); !strings.Contains(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
