// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
)

// wire is a veth pair: this end in the namespace of the tests, the far end in a namespace of its own.
type wire struct {
	near, far   string // interface names
	ns          string
	here, there string // IPv4 addresses
	here6, far6 string // IPv6 addresses
}

// newWire makes the pair; t removes it. number keeps addresses apart from those of other tests.
func newWire(t *testing.T, number int) wire {
	t.Helper()
	w := wire{
		near: fmt.Sprintf("sne%d", number), far: fmt.Sprintf("sfe%d", number), ns: fmt.Sprintf("sonde-e2e-%d-%d", os.Getpid(), number),
		here: fmt.Sprintf("10.233.%d.1", number), there: fmt.Sprintf("10.233.%d.2", number),
		here6: fmt.Sprintf("fd00:233:%d::1", number), far6: fmt.Sprintf("fd00:233:%d::2", number),
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", w.ns).Run() })
	command(t, "ip", "netns", "add", w.ns)
	command(t, "ip", "link", "add", w.near, "type", "veth", "peer", "name", w.far, "netns", w.ns)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", w.near).Run() })
	// Without nodad the IPv6 addresses are not usable for a second or two.
	command(t, "ip", "addr", "add", w.here+"/24", "dev", w.near)
	command(t, "ip", "addr", "add", w.here6+"/64", "dev", w.near, "nodad")
	command(t, "ip", "link", "set", w.near, "up")
	w.inside(t, "ip", "addr", "add", w.there+"/24", "dev", w.far)
	w.inside(t, "ip", "addr", "add", w.far6+"/64", "dev", w.far, "nodad")
	w.inside(t, "ip", "link", "set", w.far, "up")
	w.inside(t, "ip", "link", "set", "lo", "up")
	return w
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// inside runs a command in the far namespace.
func (w wire) inside(t *testing.T, args ...string) {
	t.Helper()
	command(t, "nsenter", append([]string{"--net=/run/netns/" + w.ns}, args...)...)
}

// drop makes the far end ignore what matches an nft expression, "tcp dport 80".
func (w wire) drop(t *testing.T, match, verdict string) {
	t.Helper()
	w.inside(t, "nft", "add table inet t; add chain inet t in { type filter hook input priority 0; }; add rule inet t in "+match+" "+verdict)
}

// within runs f on a thread that is in the far namespace. Sockets made there stay there.
func (w wire) within(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		// The thread is never unlocked: the runtime throws it away with the goroutine, and the namespace with it.
		runtime.LockOSThread()
		ns, err := netns.GetFromName(w.ns)
		if err == nil {
			err = netns.Set(ns)
			_ = ns.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
