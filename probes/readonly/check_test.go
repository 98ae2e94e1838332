// SPDX-License-Identifier: Apache-2.0

package readonly

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

type insns = asm.Instructions

// check wraps instructions into a program; fields of spec beside Type and AttachType are not looked at.
func check(t ebpf.ProgramType, at ebpf.AttachType, body ...insns) []Finding {
	return Check(&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{
		"p": {Type: t, AttachType: at, Instructions: slices.Concat(body...)},
	}})
}

func egress(body ...insns) []Finding {
	return check(ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress, body...)
}

func tc(body ...insns) []Finding { return check(ebpf.SchedCLS, ebpf.AttachNone, body...) }

func hook(body ...insns) []Finding { return check(ebpf.RawTracepoint, ebpf.AttachNone, body...) }

func returns(n int32) insns { return insns{asm.Mov.Imm(asm.R0, n), asm.Return()} }

// lookup leaves the context in R6 and a map's value in R7; no map is needed to follow it.
var lookup = insns{
	asm.Mov.Reg(asm.R6, asm.R1),
	asm.StoreImm(asm.RFP, -4, 0, asm.Word),
	asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
	asm.LoadMapPtr(asm.R1, 0),
	asm.FnMapLookupElem.Call(),
	asm.Mov.Reg(asm.R7, asm.R0),
}

var loadData = asm.LoadMem(asm.R2, asm.R1, skbData, asm.Word)

func TestBadProgramsAreFound(t *testing.T) {
	tests := []struct {
		name     string
		findings []Finding
		want     string
	}{
		{"write to a field of the context", tc(insns{asm.StoreImm(asm.R1, 8, 1, asm.Word)}, returns(-1)), "writes to the context"},
		{"write to the context behind a copy", tc(insns{asm.Mov.Reg(asm.R6, asm.R1), asm.Add.Imm(asm.R6, 8), asm.StoreImm(asm.R6, 0, 1, asm.Word)}, returns(-1)), "writes to the context"},
		{"write to the context saved on the stack", tc(insns{asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord), asm.LoadMem(asm.R3, asm.RFP, -8, asm.DWord), asm.StoreImm(asm.R3, 8, 1, asm.Word)}, returns(-1)), "writes to the context"},
		{"atomic add to the context", tc(insns{asm.Mov.Imm(asm.R2, 1), asm.AddAtomic.Mem(asm.R1, asm.R2, asm.Word, 8)}, returns(-1)), "writes to the context"},
		{"write to the context in a called function", tc(insns{asm.Call.Label("f")}, returns(-1), insns{asm.StoreImm(asm.R1, 8, 1, asm.Word).WithSymbol("f")}, returns(0)), "writes to the context"},
		{"write to the arguments of a hook", hook(insns{asm.StoreImm(asm.R1, 0, 1, asm.Word)}, returns(0)), "writes to the context"},
		{"write to the packet", tc(insns{loadData, asm.StoreImm(asm.R2, 0, 1, asm.Byte)}, returns(-1)), "writes to the packet"},
		{"write behind the packet's header", tc(insns{loadData, asm.Mov.Imm(asm.R3, 14), asm.Add.Reg(asm.R3, asm.R2), asm.StoreImm(asm.R3, 0, 1, asm.Byte)}, returns(-1)), "writes to the packet"},
		{"write to the packet's metadata", tc(insns{asm.LoadMem(asm.R2, asm.R1, skbDataMeta, asm.Word), asm.StoreImm(asm.R2, 0, 1, asm.Byte)}, returns(-1)), "writes to the packet"},
		{"data loaded from a moved context", tc(insns{asm.Mov.Reg(asm.R2, asm.R1), asm.Add.Imm(asm.R2, 70), asm.LoadMem(asm.R2, asm.R2, 6, asm.Word), asm.StoreImm(asm.R2, 0, 1, asm.Byte)}, returns(-1)), "writes to the packet"},
		{"write to the packet in a called function", tc(insns{loadData, asm.Call.Label("f")}, returns(-1), insns{asm.StoreImm(asm.R2, 0, 1, asm.Byte).WithSymbol("f")}, returns(0)), "writes to the packet"},
		{"helper that writes into the packet", tc(insns{asm.LoadMem(asm.R3, asm.R1, skbData, asm.Word), asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R4, 1), asm.FnSkbLoadBytes.Call()}, returns(-1)), "FnSkbLoadBytes writes to the packet"},
		{"write to the packet on one of two paths", tc(lookup, insns{asm.LoadMem(asm.R2, asm.R6, skbData, asm.Word), asm.JEq.Imm(asm.R8, 0, "x"), asm.Mov.Reg(asm.R2, asm.R7), asm.StoreImm(asm.R2, 0, 1, asm.Byte).WithSymbol("x")}, returns(-1)), "not known to be the program's own"},
		{"packet pointer hidden in the caller's frame", tc(insns{loadData, asm.Mov.Reg(asm.R1, asm.RFP), asm.Call.Label("f"), asm.LoadMem(asm.R2, asm.RFP, -8, asm.DWord), asm.StoreImm(asm.R2, 0, 1, asm.Byte)}, returns(-1), insns{asm.StoreMem(asm.R1, -8, asm.R2, asm.DWord).WithSymbol("f")}, returns(0)), "not followed"},
		{"write to a socket", egress(insns{asm.LoadMem(asm.R2, asm.R1, skbSock, asm.DWord), asm.StoreImm(asm.R2, 4, 1, asm.Word)}, returns(1)), "struct of the kernel"},
		{"write to a full socket", egress(insns{asm.LoadMem(asm.R1, asm.R1, skbSock, asm.DWord), asm.FnSkFullsock.Call(), asm.StoreImm(asm.R0, 4, 1, asm.Word)}, returns(1)), "struct of the kernel"},
		{"write to an address that came from anywhere", hook(insns{asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord), asm.StoreImm(asm.R2, 0, 1, asm.Word)}, returns(0)), "not known to be the program's own"},
		{"write through a register that a call has spoilt", hook(insns{asm.Mov.Reg(asm.R2, asm.RFP), asm.FnKtimeGetNs.Call(), asm.StoreImm(asm.R2, -8, 1, asm.Word)}, returns(0)), "not known to be the program's own"},
		{"write through half a pointer", egress(lookup, insns{asm.Mov.Reg32(asm.R3, asm.R7), asm.StoreImm(asm.R3, 0, 1, asm.Word)}, returns(1)), "not known to be the program's own"},
		{"write through what an atomic operation fetched", egress(lookup, insns{asm.Mov.Reg(asm.R3, asm.R7), asm.FetchAdd.Mem(asm.R7, asm.R3, asm.DWord, 0), asm.StoreImm(asm.R3, 0, 1, asm.Word)}, returns(1)), "not known to be the program's own"},
		{"write through a slot that holds a number by now", egress(lookup, insns{asm.StoreMem(asm.RFP, -16, asm.R7, asm.DWord), asm.Mov.Imm(asm.R3, 0), asm.StoreMem(asm.RFP, -12, asm.R3, asm.Word), asm.LoadMem(asm.R3, asm.RFP, -16, asm.DWord), asm.StoreImm(asm.R3, 0, 1, asm.Byte)}, returns(1)), "not known to be the program's own"},
		{"write through a pointer found in the caller's frame, on one of two paths", egress(lookup, insns{asm.Mov.Reg(asm.R2, asm.R7), asm.Mov.Reg(asm.R1, asm.RFP), asm.Call.Label("f")}, returns(1),
			insns{asm.LoadMem(asm.R3, asm.R1, -8, asm.DWord).WithSymbol("f"), asm.JEq.Imm(asm.R2, 0, "x"), asm.Mov.Reg(asm.R3, asm.R2), asm.StoreImm(asm.R3, 0, 1, asm.Byte).WithSymbol("x")}, returns(0)), "not known to be the program's own"},
		{"drop", egress(returns(0)), "returns 0; only 1"},
		{"drop on one path", egress(insns{asm.Mov.Imm(asm.R0, 1), asm.JEq.Imm(asm.R1, 0, "x"), asm.Mov.Imm(asm.R0, 0), asm.Return().WithSymbol("x")}), "not known to be 1"},
		{"pass on congestion only", egress(returns(2)), "returns 2"},
		{"verdict from a helper", egress(insns{asm.FnGetPrandomU32.Call(), asm.Return()}), "not known to be 1"},
		{"verdict from a map", egress(lookup, insns{asm.LoadMem(asm.R0, asm.R7, 0, asm.Word), asm.Return()}), "not known to be 1"},
		{"verdict from a called function", egress(insns{asm.Call.Label("f"), asm.Return()}, insns{asm.Mov.Imm(asm.R0, 0).WithSymbol("f"), asm.Return()}), "returns 0"},
		{"verdict computed", egress(insns{asm.Mov.Imm(asm.R0, 2), asm.Sub.Imm(asm.R0, 1), asm.Return()}), "not known to be 1"},
		{"packet stolen by tc", tc(returns(2)), "returns 2; only -1"},
		{"tc ends the chain", tc(returns(0)), "returns 0; only -1"},
		{"kernel function", hook(insns{{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: 1}}, returns(0)), "kfunc"},
		{"helper that nobody has looked at", hook(insns{asm.FnTracePrintk.Call()}, returns(0)), "FnTracePrintk is not among"},
		{"helper of the future", hook(insns{asm.BuiltinFunc(5000).Call()}, returns(0)), "is not among"},
		{"function passed on", hook(insns{{OpCode: asm.LoadImmOp(asm.DWord), Src: asm.PseudoFunc, Dst: asm.R2, Constant: -1}}, returns(0)), "passes a function on"},
		{"code that is not reached", hook(returns(0), returns(0)), "never reached"},
		{"no end", hook(insns{asm.Mov.Imm(asm.R0, 0)}), "beyond its end"},
		{"jump to nowhere", hook(insns{{OpCode: asm.Ja.Op(asm.ImmSource), Offset: 100}}, returns(0)), "jumps to nowhere"},
		{"empty", hook(), "no instructions"},
		{"not an instruction", hook(insns{{OpCode: asm.InvalidOpCode}}, returns(0)), "is not one"},
		{"register that does not exist", hook(insns{{OpCode: asm.Mov.Op(asm.RegSource), Dst: 12}}, returns(0)), "does not exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !slices.ContainsFunc(tt.findings, func(f Finding) bool { return strings.Contains(f.String(), tt.want) }) {
				t.Errorf("%q is not among %v", tt.want, tt.findings)
			}
		})
	}
}

func TestGoodProgramsHaveNoFindings(t *testing.T) {
	tests := []struct {
		name     string
		findings []Finding
	}{
		{"pass", egress(returns(1))},
		{"next program, in 32 bits", tc(insns{asm.Mov.Imm32(asm.R0, -1), asm.Return()})},
		{"both paths pass", egress(insns{asm.Mov.Imm(asm.R0, 1), asm.JEq.Imm(asm.R1, 0, "x"), asm.Mov.Imm32(asm.R0, 1), asm.Return().WithSymbol("x")})},
		{"verdict of a called function", egress(insns{asm.Call.Label("f"), asm.Return()}, insns{asm.Mov.Imm(asm.R0, 1).WithSymbol("f"), asm.Return()})},
		{"a hook may return what it likes", hook(insns{asm.FnGetPrandomU32.Call(), asm.Return()})},
		{"store to the stack", hook(insns{asm.StoreImm(asm.RFP, -8, 1, asm.Word)}, returns(0))},
		{"store to a map's value", egress(lookup, insns{asm.StoreImm(asm.R7, 0, 1, asm.Word)}, returns(1))},
		{"store to a record", hook(insns{asm.FnRingbufReserve.Call(), asm.JEq.Imm(asm.R0, 0, "x"), asm.StoreImm(asm.R0, 0, 1, asm.Word), asm.Mov.Imm(asm.R0, 0).WithSymbol("x"), asm.Return()})},
		{"map's value saved on the stack", egress(lookup, insns{asm.StoreMem(asm.RFP, -16, asm.R7, asm.DWord), asm.LoadMem(asm.R3, asm.RFP, -16, asm.DWord), asm.StoreImm(asm.R3, 0, 1, asm.Byte)}, returns(1))},
		{"slot used again after a packet pointer", tc(lookup, insns{asm.LoadMem(asm.R2, asm.R6, skbData, asm.Word), asm.StoreMem(asm.RFP, -16, asm.R2, asm.DWord), asm.StoreMem(asm.RFP, -16, asm.R7, asm.DWord), asm.LoadMem(asm.R3, asm.RFP, -16, asm.DWord), asm.StoreImm(asm.R3, 0, 1, asm.Byte)}, returns(-1))},
		{"called function writes to the caller's stack", hook(insns{asm.Mov.Reg(asm.R1, asm.RFP), asm.Call.Label("f")}, returns(0), insns{asm.StoreImm(asm.R1, -8, 1, asm.Word).WithSymbol("f")}, returns(0))},
		{"called function writes to a map's value or to the caller's stack", egress(lookup,
			insns{asm.Mov.Reg(asm.R1, asm.RFP), asm.Call.Label("f"), asm.Mov.Reg(asm.R1, asm.R7), asm.Call.Label("f")}, returns(1),
			insns{asm.StoreImm(asm.R1, -8, 1, asm.Word).WithSymbol("f")}, returns(0))},
		{"packet is read", tc(insns{loadData, asm.LoadMem(asm.R3, asm.R2, 0, asm.Byte)}, returns(-1))},
		{"loop", hook(insns{asm.Mov.Imm(asm.R6, 0), asm.Add.Imm(asm.R6, 1).WithSymbol("l"), asm.StoreMem(asm.RFP, -8, asm.R6, asm.DWord), asm.JLT.Imm(asm.R6, 10, "l")}, returns(0))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.findings) > 0 {
				t.Error(tt.findings)
			}
		})
	}
}

func TestEveryForbiddenHelperIsFound(t *testing.T) {
	for fn, why := range forbidden {
		if _, both := allowed[fn]; both {
			t.Errorf("%v is allowed and forbidden", fn)
		}
		findings := hook(insns{fn.Call()}, returns(0))
		if len(findings) != 1 || !strings.Contains(findings[0].Problem, fn.String()) || !strings.Contains(findings[0].Problem, why) {
			t.Errorf("%v: %v", fn, findings)
		}
	}
}

func TestOnlyWatchingProgramTypesAreAllowed(t *testing.T) {
	good := returns(1)
	tests := []struct {
		name  string
		t     ebpf.ProgramType
		at    ebpf.AttachType
		found bool
	}{
		{"cgroup_skb/ingress", ebpf.CGroupSKB, ebpf.AttachCGroupInetIngress, false},
		{"fentry", ebpf.Tracing, ebpf.AttachTraceFEntry, false},
		{"fexit", ebpf.Tracing, ebpf.AttachTraceFExit, false},
		{"kprobe", ebpf.Kprobe, ebpf.AttachNone, false},
		{"raw tracepoint", ebpf.RawTracepoint, ebpf.AttachNone, false},
		{"fmod_ret changes what a function returns", ebpf.Tracing, ebpf.AttachModifyReturn, true},
		{"iterators may write to user space", ebpf.Tracing, ebpf.AttachTraceIter, true},
		{"writable raw tracepoint", ebpf.RawTracepointWritable, ebpf.AttachNone, true},
		{"LSM", ebpf.LSM, ebpf.AttachLSMMac, true},
		{"sockops", ebpf.SockOps, ebpf.AttachCGroupSockOps, true},
		{"connect4", ebpf.CGroupSockAddr, ebpf.AttachCGroupInet4Connect, true},
		{"XDP", ebpf.XDP, ebpf.AttachXDP, true},
		{"sk_msg", ebpf.SkMsg, ebpf.AttachSkMsgVerdict, true},
		{"sk_skb", ebpf.SkSKB, ebpf.AttachSkSKBStreamVerdict, true},
		{"sk_lookup", ebpf.SkLookup, ebpf.AttachSkLookup, true},
		{"netfilter", ebpf.Netfilter, ebpf.AttachNetfilter, true},
		{"ext", ebpf.Extension, ebpf.AttachNone, true},
		{"struct_ops", ebpf.StructOps, ebpf.AttachStructOps, true},
		{"syscall", ebpf.Syscall, ebpf.AttachNone, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if findings := check(tt.t, tt.at, good); (len(findings) > 0) != tt.found {
				t.Errorf("found %v", findings)
			}
		})
	}
}

func TestMapsOfMoreThanDataAreFound(t *testing.T) {
	for _, m := range []ebpf.MapType{ebpf.SockMap, ebpf.SockHash, ebpf.ProgramArray, ebpf.DevMap, ebpf.CPUMap, ebpf.XSKMap,
		ebpf.ReusePortSockArray, ebpf.StructOpsMap} {
		if findings := Check(&ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{"m": {Type: m}}}); len(findings) != 1 {
			t.Errorf("%v: %v", m, findings)
		}
		nested := &ebpf.MapSpec{Type: ebpf.ArrayOfMaps, InnerMap: &ebpf.MapSpec{Type: m}}
		if findings := Check(&ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{"m": nested}}); len(findings) != 1 {
			t.Errorf("%v in another map: %v", m, findings)
		}
	}
}

func objects(t *testing.T) map[string]*ebpf.CollectionSpec {
	t.Helper()
	files, err := filepath.Glob("../*_bpfel.o")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no object has been generated yet: make generate")
	}
	specs := make(map[string]*ebpf.CollectionSpec)
	for _, file := range files {
		spec, err := ebpf.LoadCollectionSpec(file)
		if err != nil {
			t.Fatal(err)
		}
		specs[filepath.Base(file)] = spec
	}
	return specs
}

func TestEveryObjectIsReadOnly(t *testing.T) {
	for name, spec := range objects(t) {
		if len(spec.Programs) == 0 && name != "record_x86_bpfel.o" {
			t.Errorf("%s has no programs", name)
		}
		for _, f := range Check(spec) {
			t.Errorf("%s: %s", name, f)
		}
	}
}

// The proof must be about these programs: each of them, spoilt, is found.
func TestEveryObjectSpoiltIsFound(t *testing.T) {
	write := asm.StoreImm(asm.R1, 8, 1, asm.Word)
	for name, spec := range objects(t) {
		for program, p := range spec.Programs {
			_, _, matters := verdict(p.Type)
			for i := range p.Instructions {
				if !matters || p.Instructions[i].OpCode.JumpOp() != asm.Exit {
					continue
				}
				spoilt := slices.Clone(p.Instructions)
				spoilt[i-1] = asm.Mov.Imm(asm.R0, 0).WithMetadata(spoilt[i-1].Metadata)
				if i == lastExit(p.Instructions) && len(checkProgram(program, &ebpf.ProgramSpec{Type: p.Type, AttachType: p.AttachType, Instructions: spoilt})) == 0 {
					t.Errorf("%s: %s dropping packets is not found", name, program)
				}
			}
			first := write.WithMetadata(p.Instructions[0].Metadata)
			spoilt := slices.Concat(insns{first}, p.Instructions)
			spoilt[1] = spoilt[1].WithMetadata(asm.Metadata{}).WithReference(p.Instructions[0].Reference())
			if len(checkProgram(program, &ebpf.ProgramSpec{Type: p.Type, AttachType: p.AttachType, Instructions: spoilt})) == 0 {
				t.Errorf("%s: %s writing to its context is not found", name, program)
			}
		}
	}
}

// lastExit is the last exit of the main function, which comes first.
func lastExit(all insns) int {
	last := 0
	for i := range all {
		if i > 0 && all[i].Symbol() != "" {
			break
		}
		if all[i].OpCode.JumpOp() == asm.Exit {
			last = i
		}
	}
	return last
}

func FuzzCheckEnds(f *testing.F) {
	for _, body := range []insns{returns(1), slices.Concat(insns{asm.StoreImm(asm.R1, 8, 1, asm.Word)}, returns(-1))} {
		var b bytes.Buffer
		if err := body.Marshal(&b, binary.LittleEndian); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var all insns
		for r := bytes.NewReader(raw); r.Len() > 0; {
			var ins asm.Instruction
			if ins.Unmarshal(r, binary.LittleEndian, "linux") != nil {
				break
			}
			all = append(all, ins)
		}
		findings := tc(all)
		// Nothing but these two ends a program well.
		last := len(all) - 1
		if len(findings) == 0 && all[last].OpCode.JumpOp() != asm.Exit && all[last].OpCode.JumpOp() != asm.Ja {
			t.Errorf("accepted: %v", all)
		}
	})
}
