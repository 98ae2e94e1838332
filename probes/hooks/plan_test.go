// SPDX-License-Identifier: Apache-2.0

package hooks

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"sonde/probes/kernel"
)

var (
	errLack  = errors.New("not in this kernel")
	notTried = fmt.Errorf("%w: TCX is there", kernel.ErrNotTried)
)

// full is a kernel that has everything: 6.12 and later, as distributions build it.
func full() *kernel.Features {
	f := &kernel.Features{Release: "6.12", Cgroup2Root: "/sys/fs/cgroup", Clsact: notTried,
		Tracepoints: make(map[string]kernel.Tracepoint)}
	for _, name := range kernel.TracepointNames() {
		f.Tracepoints[name] = kernel.Tracepoint{Args: 3}
	}
	return f
}

// with changes a full kernel.
func with(change func(*kernel.Features)) *kernel.Features {
	f := full()
	change(f)
	return f
}

func lacks(f *kernel.Features, tracepoint string) {
	f.Tracepoints[tracepoint] = kernel.Tracepoint{Err: errLack}
}

func host() *kernel.Features {
	return with(func(f *kernel.Features) {
		f.Release, f.Cgroup2Root = "6.18", "/sys/fs/cgroup/unified"
		f.Kprobe, f.Fentry = errLack, kernel.ErrRefused
		f.Tracepoints["kfree_skb"] = kernel.Tracepoint{Args: 4}
	})
}

func v510() *kernel.Features {
	return with(func(f *kernel.Features) {
		f.Release, f.TCX, f.Clsact = "5.10", errLack, nil
		lacks(f, "sock_send_length")
		f.Tracepoints["kfree_skb"] = kernel.Tracepoint{Args: 2}
	})
}

func v61() *kernel.Features {
	return with(func(f *kernel.Features) {
		f.Release, f.TCX, f.Clsact = "6.1", errLack, nil
		lacks(f, "sock_send_length")
	})
}

// line writes a plan as "program@kind ..." and "-probe" for what is missing.
func line(p Plan) string {
	var words []string
	for _, h := range p.Hooks {
		words = append(words, h.Program+"@"+string(h.Kind))
	}
	for _, m := range p.Missing {
		words = append(words, "-"+m.Probe)
	}
	return strings.Join(words, " ")
}

const (
	thread  = "thread_started@raw_tp "
	bytesOf = "payload_egress@cgroup_skb payload_ingress@cgroup_skb "
	viaTP   = "conn_state_tp@raw_tp conn_recv_tp@raw_tp conn_send_tp@raw_tp " + thread
	viaTCX  = "packet_ingress@tcx packet_egress@tcx"
	viaTC   = "packet_ingress@clsact packet_egress@clsact"
)

func TestPlanTakesTheBestHookOfEachKernel(t *testing.T) {
	nothing := "-payload_egress -payload_ingress -conn_state -conn_recv -conn_send -thread_start -drop "
	tests := []struct {
		name string
		f    *kernel.Features
		c    Config
		want string
	}{
		{"everything there", full(), Config{}, bytesOf + viaTP + "drop_reason@raw_tp " + viaTCX},
		{"6.18 without kprobes and fentry", host(), Default(), bytesOf + viaTP + "drop_reason@raw_tp " + viaTCX},
		{"6.1 has no sock_send_length and no TCX", v61(), Config{}, bytesOf + "conn_state_tp@raw_tp conn_recv_tp@raw_tp conn_send_fe@fentry " + thread + "drop_reason@raw_tp " + viaTC},
		{"5.10 does not say why it drops", v510(), Config{}, bytesOf + "conn_state_tp@raw_tp conn_recv_tp@raw_tp conn_send_fe@fentry " + thread + "drop_any@raw_tp " + viaTC},
		{"5.10 where fentry is refused", with(func(f *kernel.Features) { *f = *v510(); f.Fentry = kernel.ErrRefused }), Config{},
			bytesOf + "conn_state_tp@raw_tp conn_recv_tp@raw_tp conn_send_kp@kprobe " + thread + "drop_any@raw_tp " + viaTC},
		{"5.10 with nothing but tracepoints", with(func(f *kernel.Features) { *f = *v510(); f.Fentry, f.Kprobe = kernel.ErrRefused, errLack }), Config{},
			bytesOf + "conn_state_tp@raw_tp conn_recv_tp@raw_tp " + thread + "drop_any@raw_tp " + viaTC + " -conn_send"},
		{"5.10 built without the function to hook", with(func(f *kernel.Features) {
			*f = *v510()
			f.NoFunction = map[string]error{"security_socket_sendmsg": errLack}
		}), Config{}, bytesOf + "conn_state_tp@raw_tp conn_recv_tp@raw_tp " + thread + "drop_any@raw_tp " + viaTC + " -conn_send"},
		{"no BTF", with(func(f *kernel.Features) { f.BTF = errLack }), Config{}, viaTCX + " " + strings.TrimSpace(nothing)},
		{"no cgroup v2 costs the payload only", with(func(f *kernel.Features) { f.Cgroup2, f.Cgroup2Root = errLack, "" }), Config{},
			viaTP + "drop_reason@raw_tp " + viaTCX + " -payload_egress -payload_ingress"},
		{"lockdown", with(func(f *kernel.Features) { f.KernelMemory = errLack }), Config{}, viaTCX + " " + strings.TrimSpace(nothing)},
		{"no rights", with(func(f *kernel.Features) { f.Rights = &kernel.NeedRights{Missing: []string{"CAP_BPF"}} }), Config{}, nothing + "-packet_ingress -packet_egress"},
		{"fentry asked for", full(), Config{Flavour: FlavourFentry}, bytesOf + "conn_state_fe@fentry conn_recv_fe@fentry conn_send_fe@fentry " + thread + "drop_reason@raw_tp " + viaTCX},
		{"kprobe asked for", full(), Config{Flavour: FlavourKprobe}, bytesOf + "conn_state_kp@kprobe conn_recv_kp@kprobe conn_send_kp@kprobe " + thread + "drop_reason@raw_tp " + viaTCX},
		{"fentry asked for and refused is not covered up", host(), Config{Flavour: FlavourFentry}, bytesOf + thread + "drop_reason@raw_tp " + viaTCX + " -conn_state -conn_recv -conn_send"},
		{"tracepoints asked for on 6.1", v61(), Config{Flavour: FlavourTracepoint}, bytesOf + "conn_state_tp@raw_tp conn_recv_tp@raw_tp " + thread + "drop_reason@raw_tp " + viaTC + " -conn_send"},
		{"clsact asked for where TCX is: attaching decides", full(), Config{TC: TCClsact}, bytesOf + viaTP + "drop_reason@raw_tp " + viaTC},
		{"TCX asked for on 6.1", v61(), Config{TC: TCTCX, Flavour: FlavourKprobe}, bytesOf + "conn_state_kp@kprobe conn_recv_kp@kprobe conn_send_kp@kprobe " + thread + "drop_reason@raw_tp -packet_ingress -packet_egress"},
		{"no packets at interfaces", full(), Config{TC: TCOff}, bytesOf + viaTP + "drop_reason@raw_tp -packet_ingress -packet_egress"},
		{"neither TCX nor clsact", with(func(f *kernel.Features) { f.TCX, f.Clsact = errLack, errLack }), Config{}, bytesOf + viaTP + "drop_reason@raw_tp -packet_ingress -packet_egress"},
		{"no kfree_skb", with(func(f *kernel.Features) { lacks(f, "kfree_skb") }), Config{}, bytesOf + viaTP + viaTCX + " -drop"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := line(New(tt.f, tt.c)); got != strings.TrimSpace(tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestPlanSaysWhy(t *testing.T) {
	for _, f := range []*kernel.Features{full(), host(), v510(), v61()} {
		p := New(f, Config{})
		for _, h := range p.Hooks {
			if h.Why == "" || h.Probe == "" || h.Object == "" || (h.Target == "") != (h.Object == "packet") {
				t.Errorf("%s: unexplained hook %+v", f.Release, h)
			}
		}
		for _, m := range p.Missing {
			if m.Consequence == "" || len(m.Reasons) == 0 {
				t.Errorf("%s: unexplained lack %+v", f.Release, m)
			}
		}
	}
	h, _ := New(v510(), Config{}).Hook("conn_send")
	want := []Rejected{{RawTracepoint, "sock_send_length", errLack.Error()}}
	if !slices.Equal(h.Rejected, want) {
		t.Errorf("conn_send rejected %v, want %v", h.Rejected, want)
	}
	h, _ = New(v61(), Config{}).Hook("conn_state")
	if h.Target != "inet_sock_set_state" || h.Rejected != nil {
		t.Errorf("conn_state: %+v", h)
	}
}

func TestRequiredNamesTheFirstThingToMend(t *testing.T) {
	rights := &kernel.NeedRights{Missing: []string{"CAP_BPF"}}
	tests := []struct {
		name string
		f    *kernel.Features
		c    Config
		want error
	}{
		{"everything there", full(), Config{}, nil},
		{"no packets at interfaces", full(), Config{TC: TCOff}, nil},
		{"no conn hooks at all", with(func(f *kernel.Features) { f.Tracepoints = nil; f.Fentry, f.Kprobe = errLack, errLack }), Config{}, nil},
		{"rights before anything else", with(func(f *kernel.Features) { f.Rights, f.BTF = rights, rights }), Config{}, rights},
		{"BTF", with(func(f *kernel.Features) { f.BTF = errLack }), Config{}, errLack},
		{"cgroup v2", with(func(f *kernel.Features) { f.Cgroup2 = errLack }), Config{}, errLack},
		{"cgroup_skb refused", with(func(f *kernel.Features) { f.CgroupSKB = kernel.ErrRefused }), Config{}, kernel.ErrRefused},
		{"socket storage", with(func(f *kernel.Features) { f.SKStorage = errLack }), Config{}, errLack},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := New(tt.f, tt.c).Required()
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestBlindFollowsThePlan(t *testing.T) {
	tests := []struct {
		name       string
		f          *kernel.Features
		c          Config
		want, gone string
	}{
		{"TLS always", full(), Config{}, "TLS:", "not even as flows"},
		{"no interfaces", full(), Config{TC: TCOff}, "not even as flows", "flows at interfaces only"},
		{"no hook on send", v61(), Config{Flavour: FlavourTracepoint}, "Which process sends and answers over UDP", "Why a packet"},
		{"5.10 drops", v510(), Config{}, "Why a packet was dropped", "With a filter by process"},
		{"kprobes miss listeners", full(), Config{Flavour: FlavourKprobe}, "tcp_set_state is not called", "TCP connections are seen from"},
		{"no state hook", host(), Config{Flavour: FlavourKprobe}, "TCP connections are seen from", "tcp_set_state is not called"},
		{"no setns", with(func(f *kernel.Features) { f.OtherNetNS = errLack }), Config{}, "other network namespaces that are older", "Everything"},
		{"no ptrace", with(func(f *kernel.Features) { f.OtherProcesses = errLack }), Config{}, "Which process holds", "Everything"},
		{"nothing at all", with(func(f *kernel.Features) { f.BTF = errLack }), Config{}, "Everything: no request", "TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Join(Blind(tt.f, New(tt.f, tt.c)), "\n")
			if !strings.Contains(text, tt.want) || strings.Contains(text, tt.gone) {
				t.Errorf("want %q and not %q in:\n%s", tt.want, tt.gone, text)
			}
		})
	}
	a, b := Blind(full(), New(full(), Config{})), Blind(full(), New(full(), Config{}))
	if !slices.Equal(a, b) {
		t.Error("two calls differ")
	}
}

func TestConfigRejectsUnknownValues(t *testing.T) {
	for _, c := range []Config{{}, Default(), {FlavourKprobe, TCOff}, {FlavourFentry, TCClsact}, {FlavourTracepoint, TCTCX}} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, c := range []Config{{Flavour: "lsm"}, {TC: "xdp"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

// Each program that a plan can name must be in the objects, as a program of the right type.
func TestEveryChoiceIsInTheObjects(t *testing.T) {
	types := map[Kind]ebpf.ProgramType{CgroupSKB: ebpf.CGroupSKB, RawTracepoint: ebpf.RawTracepoint, Fentry: ebpf.Tracing,
		Kprobe: ebpf.Kprobe, TCX: ebpf.SchedCLS, Clsact: ebpf.SchedCLS}
	files, err := filepath.Glob("../*_bpfel.o")
	if err != nil || len(files) == 0 {
		t.Skip("no objects are built yet")
	}
	specs := make(map[string]*ebpf.CollectionSpec)
	for _, file := range files {
		spec, err := ebpf.LoadCollectionSpec(file)
		if err != nil {
			t.Fatal(err)
		}
		specs[strings.TrimSuffix(filepath.Base(file), "_bpfel.o")] = spec
	}
	for _, arch := range []string{"_x86", "_arm64"} {
		for _, c := range []Config{{}, {FlavourFentry, TCClsact}, {FlavourKprobe, TCTCX}} {
			for _, f := range []*kernel.Features{full(), v510()} {
				for _, h := range New(f, c).Hooks {
					spec := specs[h.Object+arch]
					if spec == nil || spec.Programs[h.Program] == nil {
						t.Errorf("%s%s has no program %s", h.Object, arch, h.Program)
					} else if p := spec.Programs[h.Program]; p.Type != types[h.Kind] || (p.AttachTo != "" && h.Target != p.AttachTo && h.Kind != CgroupSKB) {
						t.Errorf("%s is %v for %q, the plan has %s for %q", h.Program, p.Type, p.AttachTo, h.Kind, h.Target)
					}
				}
			}
		}
	}
}
