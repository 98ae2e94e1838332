// SPDX-License-Identifier: Apache-2.0

package readonly

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
)

// Finding is one reason why a program or map is not known to be read-only.
type Finding struct {
	Program     string // or the map's name
	Instruction int    // index within the program, -1 when the finding concerns the whole of it
	Problem     string
}

func (f Finding) String() string {
	if f.Instruction < 0 {
		return f.Program + ": " + f.Problem
	}
	return fmt.Sprintf("%s, instruction %d: %s", f.Program, f.Instruction, f.Problem)
}

// Check returns what speaks against the objects of spec, sorted; nothing when they are proved to be read-only.
func Check(spec *ebpf.CollectionSpec) []Finding {
	var findings []Finding
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		for m := spec.Maps[name]; m != nil; m = m.InnerMap {
			if !slices.Contains(harmlessMaps, m.Type) {
				findings = append(findings, Finding{name, -1, fmt.Sprintf("map of type %v: an entry of it may be more than data", m.Type)})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		findings = append(findings, checkProgram(name, spec.Programs[name])...)
	}
	return findings
}

func checkProgram(name string, p *ebpf.ProgramSpec) []Finding {
	var findings []Finding
	if problem := programType(p); problem != "" {
		findings = append(findings, Finding{name, -1, problem})
	}
	c, err := newCode(p.Instructions)
	if err != nil {
		return append(findings, Finding{name, -1, "cannot be read: " + err.Error()})
	}
	w := newWalk(c, p.Type)
	w.run()
	for i, problems := range w.problems {
		for problem := range problems {
			findings = append(findings, Finding{name, i, problem})
		}
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Instruction, b.Instruction), cmp.Compare(a.Problem, b.Problem))
	})
	return findings
}

// harmlessMaps hold data and nothing that the kernel acts on, as sockets, devices, programs and operations are.
var harmlessMaps = []ebpf.MapType{
	ebpf.Hash, ebpf.Array, ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LRUHash, ebpf.LRUCPUHash, ebpf.LPMTrie, ebpf.Queue,
	ebpf.Stack, ebpf.RingBuf, ebpf.PerfEventArray, ebpf.StackTrace, ebpf.SkStorage, ebpf.TaskStorage, ebpf.CGroupStorage,
	ebpf.CgroupStorage, ebpf.HashOfMaps, ebpf.ArrayOfMaps, ebpf.BloomFilter,
}

// programType returns what is wrong with the place that a program is made for.
func programType(p *ebpf.ProgramSpec) string {
	switch p.Type {
	case ebpf.CGroupSKB:
		if p.AttachType == ebpf.AttachCGroupInetIngress || p.AttachType == ebpf.AttachCGroupInetEgress {
			return ""
		}
	case ebpf.Tracing:
		if p.AttachType == ebpf.AttachTraceFEntry || p.AttachType == ebpf.AttachTraceFExit {
			return ""
		}
	case ebpf.RawTracepoint, ebpf.Kprobe, ebpf.SchedCLS:
		return ""
	default:
		return fmt.Sprintf("programs of type %v are not allowed here: only those that can do nothing but watch", p.Type)
	}
	return fmt.Sprintf("%v at %v may change what happens", p.Type, p.AttachType)
}

// verdict returns the only value that programs of a type may return. Of the others the kernel ignores it.
func verdict(t ebpf.ProgramType) (value int32, means string, matters bool) {
	switch t {
	case ebpf.CGroupSKB:
		return 1, "let the packet pass", true
	case ebpf.SchedCLS:
		return -1, "go on with the next program", true
	}
	return 0, "", false
}
