// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// TestEveryCallThatMovesBytesIsSeen uses programs that move the same exchanges through sockets by different calls.
func TestEveryCallThatMovesBytesIsSeen(t *testing.T) {
	l := newLab(t)
	for _, mode := range apps.ExchangeModes() {
		for _, host := range hosts {
			t.Run(mode+" "+host, func(t *testing.T) {
				s, err := l.StartExchange(mode, host)
				started(t, s, err)
				ob := l.observe(t, s.Port)
				c, err := l.StartExchangeClient(mode, s.Addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				want := harness.Counts{}
				for i := range 50 {
					send(t, c, []request{{"POST", fmt.Sprintf("/any/%s/%d", mode, i), i * 999, 200}}, want)
				}
				events := ob.expect(want)
				checkActors(t, events, actor{c.PID, "exchange"}, actor{s.PID, "exchange"})
				checkSizes(t, events)
			})
		}
	}
}

// checkSizes holds the byte counts of the exchange programs: their answers are all alike.
func checkSizes(t *testing.T, events []harness.Event) {
	t.Helper()
	answer := uint64(len("HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n") + 20000)
	for i := range events {
		e := &events[i]
		if e.Type != "request" {
			continue
		}
		_, number, _ := strings.Cut(strings.TrimPrefix(e.Attributes.Path, "/any/"), "/")
		n, _ := strconv.Atoi(number)
		n *= 999
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: testbed\r\nContent-Length: %d\r\n\r\n", e.Attributes.Path, n)
		if e.ResponseBytes != answer || e.RequestBytes != uint64(len(head)+n) {
			t.Errorf("%d bytes asked and %d answered, want %d and %d: %v", e.RequestBytes, e.ResponseBytes, len(head)+n, answer, e)
		}
	}
}
