// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// space is a network namespace.
type space struct {
	name string
	ns   netns.NsHandle
	*netlink.Handle
}

// within runs f on a thread that is in the namespace: sockets and processes made there stay there.
func (s *space) within(f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the runtime throws the thread away with the goroutine, and with it the namespace.
		runtime.LockOSThread()
		if err := netns.Set(s.ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// network is where the traffic goes. Addresses are IPv4 or IPv6 with the length of their prefix behind.
//
//	far    10.77.1.2  --veth-- near 10.77.1.1           fd77:1::2 and ::1
//	                  --vxlan over that veth--          10.77.3.2 and 10.77.3.1
//	left   10.77.2.2  --veth left0-- br0 10.77.2.1
//	right  10.77.2.3  --veth right0-- br0
//	10.96.0.10:80 is translated to far, port 8080, where left's packets are routed.
type network struct {
	root, far, left, right       *space
	here, farServer, rightServer int // process ids of the servers
	uringServer                  int
	uring                        bool // the kernel has io_uring
}

// virtual is the address of a service in the sense of Kubernetes: nobody has it.
const virtual = "10.96.0.10"

const translation = `
table ip nat {
	chain pre { type nat hook prerouting priority -100; ip daddr ` + virtual + ` tcp dport 80 dnat to 10.77.1.2:8080; }
}`

var theNetwork = sync.OnceValues(func() (*network, error) {
	n := &network{}
	if err := n.spaces(); err != nil {
		return nil, err
	}
	for _, step := range []func() error{n.wire, n.bridge, n.tunnel, n.translate, n.servers} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return n, nil
})

func newNetwork(t testing.TB) *network {
	t.Helper()
	n, err := theNetwork()
	if err != nil {
		t.Fatalf("make the network: %v", err)
	}
	return n
}

func (n *network) spaces() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	root, err := netns.Get()
	if err != nil {
		return err
	}
	all := map[string]**space{"root": &n.root, "far": &n.far, "left": &n.left, "right": &n.right}
	for name, at := range all {
		ns := root
		if name != "root" {
			if ns, err = netns.New(); err != nil { // and this thread is in it
				return err
			}
		}
		h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		*at = &space{name: name, ns: ns, Handle: h}
		if err := (*at).up("lo"); err != nil {
			return err
		}
		if err := netns.Set(root); err != nil {
			return err
		}
	}
	return nil
}

// up gives an interface addresses and switches it on.
func (s *space) up(name string, addresses ...string) error {
	l, err := s.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s in %s: %w", name, s.name, err)
	}
	for _, text := range addresses {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			return err
		}
		a.Flags = 0x02 // IFA_F_NODAD: usable at once
		if err := s.AddrAdd(l, a); err != nil {
			return fmt.Errorf("address %s in %s: %w", text, s.name, err)
		}
	}
	return s.LinkSetUp(l)
}

// veth makes a pair: name in the root namespace, eth0 in the other one.
func (n *network) veth(name string, to *space) error {
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "-p"}
	if err := n.root.LinkAdd(pair); err != nil {
		return fmt.Errorf("make veth %s: %w", name, err)
	}
	peer, err := n.root.LinkByName(name + "-p")
	if err != nil {
		return err
	}
	if err := n.root.LinkSetNsFd(peer, int(to.ns)); err != nil {
		return err
	}
	return to.LinkSetName(peer, "eth0")
}

func (n *network) wire() error {
	if err := n.veth("near", n.far); err != nil {
		return err
	}
	if err := n.root.up("near", "10.77.1.1/24", "fd77:1::1/64"); err != nil {
		return err
	}
	return n.far.up("eth0", "10.77.1.2/24", "fd77:1::2/64")
}

func (n *network) bridge() error {
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	if err := n.root.LinkAdd(br); err != nil {
		return fmt.Errorf("make a bridge: %w", err)
	}
	for at, to := range map[string]*space{"10.77.2.2/24": n.left, "10.77.2.3/24": n.right} {
		port := to.name + "0"
		if err := n.veth(port, to); err != nil {
			return err
		}
		l, err := n.root.LinkByName(port)
		if err != nil {
			return err
		}
		if err := n.root.LinkSetMaster(l, br); err != nil {
			return err
		}
		if err := n.root.up(port); err != nil {
			return err
		}
		if err := to.up("eth0", at); err != nil {
			return err
		}
	}
	return n.root.up("br0", "10.77.2.1/24")
}

func (n *network) tunnel() error {
	for _, end := range []struct {
		s                            *space
		device, local, remote, inner string
	}{{n.root, "near", "10.77.1.1", "10.77.1.2", "10.77.3.1/24"}, {n.far, "eth0", "10.77.1.2", "10.77.1.1", "10.77.3.2/24"}} {
		under, err := end.s.LinkByName(end.device)
		if err != nil {
			return err
		}
		vx := &netlink.Vxlan{
			LinkAttrs: netlink.LinkAttrs{Name: "vx0"}, VxlanId: 7, VtepDevIndex: under.Attrs().Index, Port: 4789,
			SrcAddr: net.ParseIP(end.local), Group: net.ParseIP(end.remote),
		}
		if err := end.s.LinkAdd(vx); err != nil {
			return fmt.Errorf("make a vxlan in %s: %w", end.s.name, err)
		}
		if err := end.s.up("vx0", end.inner); err != nil {
			return err
		}
	}
	return nil
}

// translate makes the root namespace a router with a service, as kube-proxy makes a node.
func (n *network) translate() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return err
	}
	for s, gateway := range map[*space]string{n.left: "10.77.2.1", n.far: "10.77.1.1"} {
		l, err := s.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := s.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: net.ParseIP(gateway)}); err != nil {
			return fmt.Errorf("route of %s: %w", s.name, err)
		}
	}
	if out, err := exec.Command("/usr/sbin/nft", translation).CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w\n%s", err, out)
	}
	return nil
}

func (n *network) servers() (err error) {
	if fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0); errno != unix.ENOSYS && errno != unix.EPERM {
		n.uring = true // a wrong address, it says
		_ = unix.Close(int(fd))
		server := exec.Command(exchangeBin, "server", "iouring", "127.0.0.1", fmt.Sprint(portURing))
		if err := server.Start(); err != nil {
			return err
		}
		n.uringServer = server.Process.Pid
	}
	for s, pid := range map[*space]*int{n.root: &n.here, n.far: &n.farServer, n.right: &n.rightServer} {
		if *pid, err = startServer(s); err != nil {
			return err
		}
	}
	return nil
}
