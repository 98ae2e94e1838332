// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Tracepoint is a raw tracepoint of the running kernel.
type Tracepoint struct {
	Args int // that a program can read; 0 when BTF does not tell. Reading more fails at attach.
	Err  error
}

// TracepointNames lists the tracepoints that Detect looks for.
func TracepointNames() []string {
	return []string{"inet_sock_set_state", "tcp_rcv_space_adjust", "sock_send_length", "task_newtask", "kfree_skb"}
}

// FunctionNames lists the functions that fentry and kprobe are for.
func FunctionNames() []string {
	return []string{"tcp_set_state", "tcp_rcv_space_adjust", "security_socket_sendmsg"}
}

// kernelTypes is the BTF of the running kernel, or empty.
type kernelTypes struct{ spec *btf.Spec }

func (t *kernelTypes) load() error {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("no types of this kernel (/sys/kernel/btf/vmlinux): it must be built with "+
			"CONFIG_DEBUG_INFO_BTF=y: %w", err)
	}
	t.spec = spec
	return nil
}

// lacks names the functions that this kernel was built without: they are in no configuration that a distribution ships, but
// one program that cannot be attached would take all others with it.
func (t *kernelTypes) lacks(names []string) map[string]error {
	missing := make(map[string]error)
	for _, name := range names {
		var f *btf.Func
		if t.spec != nil && t.spec.TypeByName(name, &f) != nil {
			missing[name] = fmt.Errorf("this kernel has no function %s", name)
		}
	}
	return missing
}

// args returns how many arguments a raw tracepoint has, 0 when that is not known. Its type is
// `void (*btf_trace_NAME)(void *__data, ...)`: the first parameter is not an argument.
func (t *kernelTypes) args(name string) int {
	var typedef *btf.Typedef
	if t.spec == nil || t.spec.TypeByName("btf_trace_"+name, &typedef) != nil {
		return 0
	}
	pointer, ok := btf.UnderlyingType(typedef).(*btf.Pointer)
	if !ok {
		return 0
	}
	proto, ok := pointer.Target.(*btf.FuncProto)
	if !ok {
		return 0
	}
	return len(proto.Params) - 1
}

func tryTracepoints(types *kernelTypes) map[string]Tracepoint {
	found := make(map[string]Tracepoint)
	p, err := pass(ebpf.ProgramSpec{Type: ebpf.RawTracepoint}, 0)
	if err == nil {
		defer p.Close()
	}
	for _, name := range TracepointNames() {
		if err != nil {
			found[name] = Tracepoint{Err: reason("load a raw tracepoint program", err)}
			continue
		}
		found[name] = Tracepoint{Args: types.args(name), Err: tryTracepoint(p, name)}
	}
	return found
}

func tryTracepoint(p *ebpf.Program, name string) error {
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: p})
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("this kernel has no tracepoint %s", name)
	}
	if err != nil {
		return reason("attach raw_tp/"+name, err)
	}
	return l.Close()
}
