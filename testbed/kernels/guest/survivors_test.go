// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"sonde/probes"
	"sonde/probes/hooks"
	"sonde/testbed/e2e/harness"
)

// leftBehind fails the test when a program, a filter or a pin of sonde is still there after it has ended. The kernel
// frees what a process held a little after the process.
func leftBehind(t *testing.T) {
	t.Helper()
	var left []string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		left = append(loadedPrograms(t), filters(t)...)
		if len(left) == 0 {
			break
		}
	}
	pins, err := os.ReadDir("/sys/fs/bpf")
	must(t, err)
	for _, p := range pins {
		if p.Name() != "maps.debug" && p.Name() != "progs.debug" { // the kernel's own (bpf_preload)
			left = append(left, "pin "+p.Name())
		}
	}
	if len(left) > 0 {
		t.Errorf("left behind: %s", strings.Join(left, ", "))
	}
}

// loadedPrograms lists programs of the kernel that have the name of one of sonde's. With a program goes its link.
func loadedPrograms(t *testing.T) (loaded []string) {
	t.Helper()
	specs, err := probes.Specs()
	must(t, err)
	var ours []string
	for _, spec := range specs {
		for name := range spec.Programs {
			ours = append(ours, name[:min(len(name), 15)])
		}
	}
	for id := ebpf.ProgramID(0); ; {
		if id, err = ebpf.ProgramGetNextID(id); err != nil {
			return loaded // no further one
		}
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // gone meanwhile
		}
		if info, err := p.Info(); err == nil && slices.Contains(ours, info.Name) {
			loaded = append(loaded, fmt.Sprintf("program %s (%d)", info.Name, id))
		}
		_ = p.Close()
	}
}

// filters lists all tc filters of the root network namespace.
func filters(t *testing.T) (found []string) {
	t.Helper()
	links, err := netlink.LinkList()
	must(t, err)
	for _, l := range links {
		for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
			list, _ := netlink.FilterList(l, parent) // without a clsact there is none
			for _, f := range list {
				if bpf, ok := f.(*netlink.BpfFilter); ok {
					found = append(found, fmt.Sprintf("filter %s on %s", bpf.Name, l.Attrs().Name))
				}
			}
		}
	}
	return found
}

// start runs sonde until the test ends or stops it.
func start(t *testing.T, tc hooks.TC) *harness.Sonde {
	t.Helper()
	ob, err := harness.Observe(harness.Options{Bin: sondeBin, Slow: slowness, Args: []string{"--tc", string(tc)}})
	must(t, err)
	t.Cleanup(func() {
		if ob.Alive() {
			ob.Kill()
		}
	})
	return ob
}

// ways are the ways to be at interfaces that this kernel has.
func ways() []hooks.TC {
	if detected().TCX != nil {
		return []hooks.TC{hooks.TCClsact}
	}
	return []hooks.TC{hooks.TCTCX, hooks.TCClsact}
}

// qdiscs lists the interfaces that have a clsact.
func qdiscs(t *testing.T) (names []string) {
	t.Helper()
	links, err := netlink.LinkList()
	must(t, err)
	for _, l := range links {
		list, err := netlink.QdiscList(l)
		must(t, err)
		if slices.ContainsFunc(list, func(q netlink.Qdisc) bool { return q.Type() == "clsact" }) {
			names = append(names, l.Attrs().Name)
		}
	}
	return names
}

// TestKilled ends sonde without a chance to clean up. What hangs on its descriptors goes with it. Filters of clsact are the
// kernel's own; the next sonde removes them, and leaves the qdisc, which might be another tool's.
func TestKilled(t *testing.T) {
	newNetwork(t)
	tc := ways()[0]
	start(t, tc).Kill()
	if tc == hooks.TCClsact {
		_, err := start(t, tc).Stop()
		must(t, err)
	}
	leftBehind(t)
}
