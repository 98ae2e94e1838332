// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sonde/probes/hooks"
)

// interfaces keeps the packet programs on the interfaces of the network namespace that sonde runs in, also on those that
// appear later.
type interfaces struct {
	set   *Set
	hooks []hooks.Hook
	slot  slot // of our clsact filters
	stop  chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	attached map[int]attachment
	failed   map[int]error // last failure per interface, for Interfaces
}

type attachment struct {
	name   string
	links  []link.Link
	filter []netlink.Filter // clsact
	qdisc  netlink.Qdisc    // clsact that we made, to be removed again
}

// clsact filters carry this name and a priority far behind those of CNIs, so that both can be told apart.
const (
	filterName     = "sonde"
	filterPriority = 49000
)

func (s *Set) watchInterfaces(h []hooks.Hook) (*interfaces, error) {
	w := &interfaces{
		set: s, hooks: h, slot: slot{fd: -1}, stop: make(chan struct{}), done: make(chan struct{}),
		attached: map[int]attachment{}, failed: map[int]error{},
	}
	if slices.ContainsFunc(h, func(h hooks.Hook) bool { return h.Kind == hooks.Clsact }) {
		w.slot = takeSlot()
	}
	updates := make(chan netlink.LinkUpdate, 64)
	if err := netlink.LinkSubscribe(updates, w.stop); err != nil {
		w.slot.release()
		return nil, fmt.Errorf("watch interfaces: %w", err)
	}
	links, err := netlink.LinkList()
	if err != nil {
		close(w.stop)
		w.slot.release()
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	for _, l := range links {
		w.add(l.Attrs().Index, l.Attrs().Name)
	}
	go w.run(updates)
	return w, nil
}

func (w *interfaces) run(updates <-chan netlink.LinkUpdate) {
	defer close(w.done)
	for {
		select {
		case <-w.stop:
			return
		case u, ok := <-updates:
			if !ok {
				return
			}
			if u.Header.Type == unix.RTM_DELLINK {
				w.remove(u.Attrs().Index)
			} else {
				w.add(u.Attrs().Index, u.Attrs().Name)
			}
		}
	}
}

// add attaches to an interface once. A failure concerns this interface alone and is kept for doctor and the metrics.
func (w *interfaces) add(index int, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.attached[index]; ok {
		return
	}
	if want := w.set.config.Interfaces; len(want) > 0 && !slices.Contains(want, name) {
		return
	}
	a := attachment{name: name}
	for _, h := range w.hooks {
		if err := w.attach(&a, h, index); err != nil {
			a.detach()
			w.failed[index] = fmt.Errorf("attach %s at %s %s: %w", h.Probe, h.Kind, name, err)
			return
		}
	}
	delete(w.failed, index)
	w.attached[index] = a
}

func (w *interfaces) attach(a *attachment, h hooks.Hook, index int) error {
	p, ingress := w.set.programs[h.Program], h.Probe == "packet_ingress"
	if h.Kind == hooks.Clsact {
		return a.clsact(p, index, ingress, w.slot)
	}
	at := ebpf.AttachTCXEgress
	if ingress {
		at = ebpf.AttachTCXIngress
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: p, Attach: at})
	if err != nil {
		return err
	}
	a.links = append(a.links, l)
	return nil
}

func (a *attachment) clsact(p *ebpf.Program, index int, ingress bool, own slot) error {
	q := &netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT},
		QdiscType:  "clsact",
	}
	switch err := netlink.QdiscAdd(q); {
	case err == nil:
		a.qdisc = q
	case !errors.Is(err, os.ErrExist):
		return fmt.Errorf("add clsact: %w", err)
	}
	parent := uint32(netlink.HANDLE_MIN_EGRESS)
	if ingress {
		parent = netlink.HANDLE_MIN_INGRESS
	}
	removeStale(index, parent, own)
	f := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: index, Parent: parent, Handle: netlink.MakeHandle(0, own.number), Protocol: unix.ETH_P_ALL, Priority: filterPriority,
		},
		Fd: p.FD(), Name: filterName, DirectAction: true,
	}
	if err := netlink.FilterReplace(f); err != nil {
		return fmt.Errorf("add filter: %w", err)
	}
	a.filter = append(a.filter, f)
	return nil
}

// removeStale removes the filters of sondes that were killed: what hangs at a qdisc does not go with its process. The qdisc
// stays, because it may be another tool's.
func removeStale(index int, parent uint32, own slot) {
	l := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: index}}
	filters, _ := netlink.FilterList(l, parent) // what cannot be listed cannot be removed
	for _, f := range filters {
		bpf, ok := f.(*netlink.BpfFilter)
		if !ok || bpf.Name != filterName || bpf.Priority != filterPriority {
			continue
		}
		if n := uint16(bpf.Handle); n != own.number && slotIsFree(n) {
			_ = netlink.FilterDel(f)
		}
	}
}

// detach removes what attach added and nothing else: a clsact that others use by now stays.
func (a *attachment) detach() {
	for _, l := range a.links {
		_ = l.Close() // an interface that is gone took the link with it
	}
	for _, f := range a.filter {
		_ = netlink.FilterDel(f)
	}
	if a.qdisc == nil {
		return
	}
	l := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: a.qdisc.Attrs().LinkIndex}}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		if left, err := netlink.FilterList(l, parent); err != nil || len(left) > 0 {
			return
		}
	}
	_ = netlink.QdiscDel(a.qdisc)
}

func (w *interfaces) remove(index int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a, ok := w.attached[index]; ok {
		a.detach()
		delete(w.attached, index)
	}
}

func (w *interfaces) name(index int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.attached[index].name
}

func (w *interfaces) close() {
	close(w.stop)
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	for index, a := range w.attached {
		a.detach()
		delete(w.attached, index)
	}
	w.slot.release()
}

// Interfaces returns the names of the interfaces whose packets are counted, and why others are not.
func (s *Set) Interfaces() (names []string, failed []error) {
	if s.watcher == nil {
		return nil, nil
	}
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	for _, a := range s.watcher.attached {
		names = append(names, a.name)
	}
	for _, err := range s.watcher.failed {
		failed = append(failed, err)
	}
	slices.Sort(names)
	return names, failed
}

func loopbackIndex() uint32 {
	all, _ := net.Interfaces() // without an answer the usual index serves
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			return uint32(i.Index)
		}
	}
	return 1
}
