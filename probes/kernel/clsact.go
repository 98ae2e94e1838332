// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tryClsact puts a filter on lo of a network namespace that is made for it and vanishes with the thread, so that no
// qdisc of this machine is touched. The kernel may load its modules for it, as attaching would.
func tryClsact() error { return onOwnThread(clsactInNewNetNS) }

// onOwnThread runs fn on a thread that runs nothing else and ends with it, so that fn may change what belongs to a thread.
func onOwnThread(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		// The main thread would not end with this goroutine, and /proc/self would show what fn changed from then on. While
		// it is locked here, no other goroutine runs on it.
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			result <- onOwnThread(fn)
			return
		}
		result <- fn() // not unlocked: the thread ends
	}()
	return <-result
}

func clsactInNewNetNS() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return reason("make a network namespace to try clsact in", err)
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return reason("open netlink", err)
	}
	defer h.Close()
	return clsactFilter(h)
}

func clsactFilter(h *netlink.Handle) error {
	p, err := pass(ebpf.ProgramSpec{Type: ebpf.SchedCLS}, tcxNext)
	if err != nil {
		return reason("load a tc program", err)
	}
	defer p.Close()
	qdisc := netlink.QdiscAttrs{
		LinkIndex: loopbackIndex, Handle: netlink.MakeHandle(0xffff, 0),
		Parent: netlink.HANDLE_CLSACT,
	}
	if err := h.QdiscAdd(&netlink.GenericQdisc{QdiscAttrs: qdisc, QdiscType: "clsact"}); err != nil {
		return reason("add a clsact qdisc (sch_ingress)", err)
	}
	filter := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: loopbackIndex, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1,
			Protocol: unix.ETH_P_ALL, Priority: 1,
		},
		Fd: p.FD(), Name: "sonde_try", DirectAction: true,
	}
	return reason("add a tc filter (cls_bpf)", h.FilterAdd(filter))
}
