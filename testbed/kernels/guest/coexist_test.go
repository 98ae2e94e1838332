// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sonde/probes/hooks"
	"sonde/testbed/e2e/harness"
)

// foreign is the program of another tool at interface near, ingress: it lets everything pass to the next one and is counted by
// the kernel.
type foreign struct {
	prog   *ebpf.Program
	detach func() error
}

func attachForeign(t *testing.T, tc hooks.TC) *foreign {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "foreign", Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
	})
	must(t, err)
	t.Cleanup(func() { _ = p.Close() })
	l, err := netlink.LinkByName("near")
	must(t, err)
	if tc == hooks.TCTCX {
		at, err := link.AttachTCX(link.TCXOptions{Interface: l.Attrs().Index, Program: p, Attach: ebpf.AttachTCXIngress})
		must(t, err)
		return &foreign{p, at.Close}
	}
	q := &netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
	if err := netlink.QdiscAdd(q); err != nil && !errors.Is(err, unix.EEXIST) {
		t.Fatal(err)
	}
	f := &netlink.BpfFilter{Fd: p.FD(), Name: "foreign", DirectAction: true, FilterAttrs: netlink.FilterAttrs{
		LinkIndex: l.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1,
	}}
	must(t, netlink.FilterAdd(f))
	return &foreign{p, func() error { return netlink.FilterDel(f) }}
}

// runs is how often the program ran since the statistics were switched on.
func (f *foreign) runs(t *testing.T) uint64 {
	t.Helper()
	st, err := f.prog.Stats()
	must(t, err)
	return st.RunCount
}

// exchange sends datagrams over near: so many packets come in.
func exchange(t *testing.T) {
	t.Helper()
	must(t, exchangeDatagrams(net.JoinHostPort("10.77.1.2", strconv.Itoa(portEcho)), strings.Repeat("d", datagramBytes), datagrams))
}

// counted is how many datagrams of the exchange sonde counted at near.
func counted(events []harness.Event) (n uint64) {
	for _, e := range whole(events, func(e *harness.Event) bool {
		return e.View == "interface" && e.Interface == "near" && e.Transport == "udp" && e.Server.Port == portEcho
	}) {
		n += e.Packets.Received
	}
	return n
}

// TestForeign has another tool's program at the same interface, attached before and after sonde, and removed before and after
// it. Both count every packet, and neither's end takes the other away.
func TestForeign(t *testing.T) {
	newNetwork(t)
	removeClsact(t)
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	must(t, err)
	defer stats.Close()
	best := ways()[0] // what sonde would choose
	for _, others := range ways() {
		t.Run(string(others), func(t *testing.T) { besides(t, best, others) })
	}
}

func besides(t *testing.T, sondes, others hooks.TC) {
	older := attachForeign(t, others)
	ob := start(t, sondes)
	exchange(t)
	expectRuns(t, "older than sonde", older, datagrams)
	must(t, older.detach())
	younger := attachForeign(t, others)
	exchange(t)
	expectRuns(t, "younger than sonde", younger, datagrams)
	events, err := ob.Stop()
	must(t, err)
	if n := counted(events); n != 2*datagrams {
		t.Errorf("sonde counted %d datagrams of %d", n, 2*datagrams)
	}
	exchange(t)
	expectRuns(t, "after the end of sonde", younger, 2*datagrams)
	must(t, younger.detach())
	removeClsact(t)
	leftBehind(t)
}

func expectRuns(t *testing.T, when string, f *foreign, n uint64) {
	t.Helper()
	if got := f.runs(t); got < n { // more: ARP and neighbour discovery
		t.Errorf("%s: the other program ran %d times for %d datagrams", when, got, n)
	}
}

// removeClsact removes the qdiscs that other tools made, or a sonde for another one.
func removeClsact(t *testing.T) {
	t.Helper()
	for _, name := range qdiscs(t) {
		l, err := netlink.LinkByName(name)
		must(t, err)
		must(t, netlink.QdiscDel(&netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
		}}))
	}
}

// TestTwo runs two sondes at once, in the best way of the kernel; the one that began first also ends first.
func TestTwo(t *testing.T) {
	n := newNetwork(t)
	tc := ways()[0]
	all := []*harness.Sonde{start(t, tc), start(t, tc)}
	s := &sent{network: n, want: map[string]harness.Tally{}}
	must(t, s.http1("http1", "10.77.1.2", 2))
	exchange(t)
	expectSeen(t, s.want["http1"], all[0], datagrams)
	exchange(t)
	expectSeen(t, s.want["http1"], all[1], 2*datagrams)
	leftBehind(t)
	removeClsact(t) // the second one left what the first had made
}

func expectSeen(t *testing.T, want harness.Tally, ob *harness.Sonde, datagrams uint64) {
	t.Helper()
	ob.Await(want.Total(), func(e *harness.Event) bool { return e.Type == "request" })
	events, err := ob.Stop()
	must(t, err)
	got := harness.Tally{}
	for i := range events {
		if events[i].Type == "request" {
			got[line(&events[i])]++
		}
	}
	if d := harness.DiffTally(want, got); d != "" {
		t.Error(d)
	}
	if n := counted(events); n != datagrams {
		t.Errorf("counted %d datagrams of %d", n, datagrams)
	}
}
