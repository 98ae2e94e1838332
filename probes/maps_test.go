// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// TestTracingProgramsUseMapsAllocatedBeforehand: kernels before 6.1 put a warning into their log otherwise, at which a machine
// that is set so panics.
func TestTracingProgramsUseMapsAllocatedBeforehand(t *testing.T) {
	specs, err := Specs()
	if err != nil {
		t.Fatal(err)
	}
	tracing := []ebpf.ProgramType{ebpf.Kprobe, ebpf.TracePoint, ebpf.RawTracepoint, ebpf.PerfEvent}
	hashes := []ebpf.MapType{ebpf.Hash, ebpf.PerCPUHash, ebpf.HashOfMaps}
	seen := 0
	for object, spec := range specs {
		for name, p := range spec.Programs {
			if !slices.Contains(tracing, p.Type) {
				continue
			}
			for i := range p.Instructions {
				m := spec.Maps[p.Instructions[i].Reference()]
				if m == nil || !slices.Contains(hashes, m.Type) {
					continue
				}
				if seen++; m.Flags&unix.BPF_F_NO_PREALLOC != 0 {
					t.Errorf("%s: %s uses %s, which is allocated at run time", object, name, m.Name)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no tracing program uses a hash map: the test looks at nothing")
	}
}
