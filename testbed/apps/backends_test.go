// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestEveryBackendStartsAndLeavesNothingBehind(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: databases run as users of their own")
	}
	need(t, "psql", "mariadbd", "redis-server", "memcached", "mosquitto", "nats-server", "rabbitmq-server", "dnsmasq")
	k := newKit(t)
	for _, kind := range []Kind{PostgreSQL, MariaDB, Redis, Memcached, Mosquitto, NATS, RabbitMQ, Dnsmasq} {
		t.Run(string(kind), func(t *testing.T) {
			began := time.Now()
			s, err := k.StartBackend(kind)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("started in %v", time.Since(began))
			s.StopBackend()
			if left, _ := exec.Command("pgrep", "-f", s.Dir).Output(); len(left) > 0 {
				t.Errorf("processes are left: %s", left)
			}
			if left, _ := exec.Command("pgrep", "-x", "epmd").Output(); kind == RabbitMQ && len(left) > 0 {
				t.Errorf("epmd is left: %s", left)
			}
		})
	}
}
