// SPDX-License-Identifier: Apache-2.0

package hooks

import (
	"strings"

	"sonde/probes/kernel"
)

// always is what the capture point cannot see on any kernel.
var always = [...]string{
	"TLS: the payload is encrypted here, so of such connections the handshake is seen and no requests; so it is with kTLS, " +
		"though the application writes plain text.",
	"HTTP/3 (QUIC): encrypted, the packets that begin a connection are seen. Other UDP traffic than that and DNS is counted, " +
		"its payload is not looked at; DTLS is part of it.",
	"Unix, vsock, RDMA and SMC sockets: their bytes are in no IP packet.",
	"Bytes that another tool's sockmap passes from socket to socket: they skip the network stack.",
	"Bytes beyond the payload budget are counted, not copied: a longer head is reported as incomplete, and requests behind the " +
		"first 8 KiB that one side sends without an answer (pipelines) may be missing.",
	"Bytes that arrive before their socket exists (TCP_DEFER_ACCEPT, TCP Fast Open, a lost last packet of the handshake) are " +
		"joined to the connection by its addresses, and only their first 4 KiB are copied.",
	"A received segment that TCP itself refuses afterwards (wrong checksum, old timestamp) is taken for the bytes it claims.",
	"TCP behind IPv6 extension headers.",
	"MPTCP connections: the bytes of one connection travel on several TCP connections, and their process is not known.",
	"Payload that was received into the memory of a device (devmem TCP): the kernel itself cannot read it.",
	"Connections that were open before sonde started are joined in the middle: their first message may be missing.",
}

// Blind lists what the plan cannot see, one plain sentence each, for `doctor`.
func Blind(f *kernel.Features, p Plan) []string {
	if p.Required() != nil {
		return []string{"Everything: " + p.Required().Error() + "."}
	}
	list := append(always[:len(always):len(always)], forwarded(p)...)
	list = append(list, actors(p)...)
	list = append(list, drops(p)...)
	if f.OtherNetNS != nil {
		list = append(list, "Connections of other network namespaces that are older than sonde join without their process: "+
			f.OtherNetNS.Error()+".")
	}
	if f.OtherProcesses != nil {
		list = append(list, "Which process holds a socket that is older than sonde, before it uses it: "+
			f.OtherProcesses.Error()+".")
	}
	return list
}

func forwarded(p Plan) []string {
	if _, ok := p.Hook("packet_ingress"); !ok {
		return []string{
			"Traffic without a local socket (forwarded, bridged, NATed), virtual machines, network stacks in user space " +
				"(gVisor, DPDK, AF_XDP), raw and packet sockets: not even as flows, because packets at interfaces are not counted.",
		}
	}
	return []string{
		"Traffic that is forwarded through this machine: flows at interfaces only, no requests.",
		"Virtual machines, network stacks in user space (gVisor), raw and packet sockets: flows at interfaces only; what " +
			"leaves by DPDK or AF_XDP not even that.",
		"Interfaces inside of other network namespaces: their traffic is counted where it leaves the namespace.",
	}
}

func actors(p Plan) []string {
	var list []string
	if h, ok := p.Hook("conn_state"); !ok {
		list = append(list, sentence(stateLost))
	} else if h.Kind != RawTracepoint {
		list = append(list, "With a filter by process: connections to ports that the process begins to listen on while sonde "+
			"runs, because "+h.Target+" is not called for that.")
	}
	if _, ok := p.Hook("conn_recv"); !ok {
		list = append(list, sentence(recvLost))
	}
	if _, ok := p.Hook("conn_send"); !ok {
		list = append(list, sentence(sendLost))
	}
	if _, ok := p.Hook(ThreadStart); !ok {
		list = append(list, sentence(threadLost))
	}
	return list
}

func drops(p Plan) []string {
	h, ok := p.Hook("drop")
	switch {
	case !ok:
		return []string{sentence(dropLost)}
	case h.Program == "drop_any":
		return []string{"Why a packet was dropped: this kernel only says that it was."}
	}
	return nil
}

// sentence makes a consequence stand alone.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
