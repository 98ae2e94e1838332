// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"fmt"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"
	"golang.org/x/sys/unix"

	"sonde/agent/view"
	"sonde/tui/page"
	"sonde/tui/render"
	"sonde/tui/theme"
)

// BenchmarkRefresh is what one refresh costs once the answer is there: 200 rows, all of them other ones than before, drawn at
// 200x60 and sent to a screen that sends on what has changed.
func BenchmarkRefresh(b *testing.B) {
	for _, v := range []view.Page{view.PageServices, view.PageRequests} {
		b.Run(string(v), func(b *testing.B) {
			m, err := newModel(Config{World: steady(1), Page: v}.withDefaults(), page.All(), func() time.Time { return noon })
			if err != nil {
				b.Skip(err)
			}
			screen := tcell.NewSimulationScreen("UTF-8")
			if err := screen.Init(); err != nil {
				b.Fatal(err)
			}
			defer screen.Fini()
			screen.SetSize(200, 60)
			looks, err := theme.For("dark", theme.Terminal{Colors: 256})
			if err != nil {
				b.Fatal(err)
			}
			styles := stylesOf(looks)
			q := m.query()
			snaps := make([]*view.Snapshot, 20)
			for i := range snaps {
				snaps[i] = busy(q, i)
			}
			b.ReportAllocs()
			before := processorTime(b)
			for i := 0; b.Loop(); i++ {
				m.take(answer{q, snaps[i%len(snaps)], nil})
				c := render.NewCanvas(200, 60)
				m.draw(c)
				blit(screen, c, styles)
				screen.Show()
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op") // of all threads; others may use the machine
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// busy is a world in which every number changes.
func busy(q view.Query, i int) *view.Snapshot {
	s := world(q, 200)
	s.Overview.Requests += float64(i)
	for j := range s.Services {
		r := &s.Services[j]
		r.Name = fmt.Sprintf("service-%d", (i*31+j*7)%500)
		r.In.Rate, r.In.P95, r.In.P99 = float64(i*j), r.In.P50*2, r.In.P50*3
		for k := range 60 {
			r.In.Spark = append(r.In.Spark, uint32((i+k*j)%100))
		}
	}
	for j := range s.Requests {
		r := &s.Requests[j]
		r.ID += uint64(i * 50)
		r.Target = fmt.Sprintf("GET /orders/%d/lines/%d", r.ID, i*j)
		r.Client, r.Server, r.Protocol, r.Role = "web", fmt.Sprintf("svc-%d", j%9), "http", "server"
	}
	return s
}
