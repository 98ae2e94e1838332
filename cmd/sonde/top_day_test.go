// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"sonde/agent/view"
)

// A day in the life of a small service: connections come and go, a few requests on each.
const (
	dayHours      = 24
	connsPerHour  = 600 // one every 6 s
	requestsEach  = 5
	dayTick       = time.Second
	keptRequests  = 2000 // so that the store is full within the first hour
	growthAllowed = 2 << 20
)

func day(t *testing.T) string {
	return makeRecording(t, func(m *made) {
		const between = time.Hour / connsPerHour
		m.now = time.Minute
		m.tick(0)
		var open []*connection // some live long
		for n := range dayHours * connsPerHour {
			from := m.now
			c := m.accept()
			for i := range requestsEach {
				c.get(fmt.Sprintf("/%s/%d", []string{"orders", "users", "carts"}[i%3], n), map[bool]int{true: 503, false: 200}[n%50 == 0], time.Duration(1+n%40)*time.Millisecond)
			}
			if open = append(open, c); len(open) > 20 {
				open[0].close()
				open = open[1:]
			}
			for m.now < from+between-dayTick {
				m.tick(dayTick)
			}
			m.now = from + between
			m.tick(0)
		}
		for _, c := range open {
			c.close()
		}
		m.tick(time.Second)
	})
}

// TestADayOfTrafficTakesTheMemoryOfAnHour plays 24 hours as fast as possible.
func TestADayOfTrafficTakesTheMemoryOfAnHour(t *testing.T) {
	if testing.Short() {
		t.Skip("it plays 24 hours")
	}
	began := time.Now()
	path := day(t)
	made := time.Since(began)
	w := played(t, path, func(tp *top) { tp.paused, tp.factor, tp.requests = true, 0, keptRequests })
	start := bootTime.Add(time.Minute)
	arrive(t, w, start)
	heap := map[int]uint64{}
	for hour := range dayHours + 1 {
		to := start.Add(time.Duration(hour) * time.Hour)
		if err := w.Seek(to); err != nil {
			t.Fatal(err)
		}
		arrive(t, w, to)
		s, err := w.Snapshot(t.Context(), view.Query{Page: view.PageServices, Window: 15 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		// The first connection of the next hour stands before the tick that is waited for.
		if want := uint64(min(hour*connsPerHour+1, dayHours*connsPerHour) * requestsEach); s.Overview.Total != want {
			t.Errorf("after %d hours: %d requests, %d were made", hour, s.Overview.Total, want)
		}
		heap[hour] = heapInUse()
		t.Logf("after %2d h: %d requests, %.1f MB", hour, s.Overview.Total, float64(heap[hour])/1e6)
	}
	if heap[dayHours] > heap[4]+growthAllowed {
		t.Errorf("the heap has %d bytes after %d hours, and had %d after 4", heap[dayHours], dayHours, heap[4])
	}
	w.checkDay(t)
	t.Logf("made in %v, played in %v", made, time.Since(began)-made)
}

// checkDay holds the last quarter of an hour against what was made.
func (w *playedWorld) checkDay(t *testing.T) {
	for hurry := 0; !w.player.Status().Ended && hurry < 1000; hurry++ {
		_ = w.Pause(false)
		time.Sleep(time.Millisecond)
	}
	s, err := w.Snapshot(t.Context(), view.Query{Page: view.PageServices, Window: 15 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Overview.Total; got != dayHours*connsPerHour*requestsEach || s.Overview.Lost != 0 {
		t.Errorf("at the end: %d requests, %d lost", got, s.Overview.Lost)
	}
	if p := s.Playback; !p.Ended || p.Error != "" {
		t.Errorf("playback %+v", p)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
