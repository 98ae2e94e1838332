// SPDX-License-Identifier: Apache-2.0

package readonly

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// walk follows values through a program until nothing new is learnt: each instruction is looked at again while what is
// known before it grows, and it can grow only a few times.
type walk struct {
	*code
	progType ebpf.ProgramType
	before   []*state      // by instruction; nil: not reached yet
	result   map[int]value // what a function returns, by its first instruction
	todo     []int
	problems map[int]map[string]bool
}

func newWalk(c *code, t ebpf.ProgramType) *walk {
	return &walk{
		code: c, progType: t, before: make([]*state, len(c.insns)), result: make(map[int]value),
		problems: make(map[int]map[string]bool),
	}
}

func (w *walk) run() {
	entry := &state{}
	entry.regs[asm.R1] = value{context, true, 0}
	entry.regs[asm.R10] = value{stack, true, 0}
	w.reach(0, entry)
	for len(w.todo) > 0 {
		i := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		w.step(i, w.before[i].clone())
	}
	// Only now all paths to each instruction are known; what was found on the way may have known a part of them.
	w.problems = make(map[int]map[string]bool)
	for i, s := range w.before {
		if s == nil {
			w.problem(i, "is never reached, so that what it does is not known")
			continue
		}
		w.step(i, s.clone())
	}
}

// reach adds what is known on one way to an instruction.
func (w *walk) reach(i int, s *state) {
	if i >= len(w.insns) {
		w.problem(len(w.insns)-1, "runs beyond its end")
		return
	}
	if w.before[i] == nil {
		w.before[i] = s.clone()
		w.todo = append(w.todo, i)
	} else if w.before[i].merge(s) {
		w.todo = append(w.todo, i)
	}
}

func (w *walk) problem(i int, format string, args ...any) {
	if w.problems[i] == nil {
		w.problems[i] = make(map[string]bool)
	}
	w.problems[i][fmt.Sprintf(format, args...)] = true
}

// step applies one instruction to s and passes the outcome on.
func (w *walk) step(i int, s *state) {
	ins := &w.insns[i]
	switch class := ins.OpCode.Class(); {
	case class.IsALU():
		s.regs[ins.Dst] = compute(ins, s)
	case class.IsJump():
		w.jump(i, ins, s)
		return
	case class == asm.LdClass:
		w.loadImmediate(i, ins, s)
	case class == asm.LdXClass:
		s.regs[ins.Dst] = w.load(ins, s.regs[ins.Src], s)
	default:
		w.store(i, ins, s)
	}
	w.reach(i+1, s)
}

func (w *walk) jump(i int, ins *asm.Instruction, s *state) {
	switch op := ins.OpCode.JumpOp(); {
	case op == asm.Exit:
		w.exit(i, s)
	case ins.IsFunctionCall():
		w.callFunction(i, s)
	case op == asm.Call:
		w.callHelper(i, ins, s)
		w.reach(i+1, s)
	case op == asm.Ja:
		w.reach(w.target[i], s)
	default:
		w.reach(w.target[i], s)
		w.reach(i+1, s)
	}
}

func (w *walk) exit(i int, s *state) {
	r0 := s.regs[asm.R0]
	if first := w.start[i]; first != 0 {
		if v := join(w.result[first], r0); v != w.result[first] {
			w.result[first] = v
			w.again(first)
		}
		return
	}
	want, means, matters := verdict(w.progType)
	switch {
	case !matters, r0.kind == number && r0.known && int32(r0.n) == want:
	case r0.kind == number && r0.known:
		w.problem(i, "returns %d; only %d (%s) is allowed", int32(r0.n), want, means)
	default:
		w.problem(i, "returns a value that is not known to be %d (%s)", want, means)
	}
}

// again looks at the calls of a function once more, because what it returns is known better.
func (w *walk) again(first int) {
	for i, to := range w.target {
		if to == first && w.insns[i].IsFunctionCall() && w.before[i] != nil {
			w.todo = append(w.todo, i)
		}
	}
}

func (w *walk) callFunction(i int, s *state) {
	first := w.target[i]
	entry := &state{}
	for r := asm.R1; r <= asm.R5; r++ {
		entry.regs[r] = s.regs[r]
		if entry.regs[r].kind == stack {
			entry.regs[r] = value{kind: callerStack}
		}
	}
	entry.regs[asm.R10] = value{stack, true, 0}
	w.reach(first, entry)
	result, returned := w.result[first]
	if !returned {
		return // again comes back
	}
	s.forgetScratch()
	s.regs[asm.R0] = result
	w.reach(i+1, s)
}

func (w *walk) callHelper(i int, ins *asm.Instruction, s *state) {
	result := value{kind: number}
	fn := asm.BuiltinFunc(ins.Constant)
	kind, known := allowed[fn]
	switch {
	case !ins.IsBuiltinCall():
		w.problem(i, "calls a kernel function (kfunc): none is known to be read-only here")
	case forbidden[fn] != "":
		w.problem(i, "%v %s", fn, forbidden[fn])
	case !known:
		w.problem(i, "%v is not among the helpers that are known to be read-only", fn)
	default:
		result.kind = kind
		if r, ok := writes[fn]; ok {
			w.writesTo(i, s.regs[r], fmt.Sprintf("%v", fn))
		}
	}
	s.forgetScratch()
	s.regs[asm.R0] = result
}

// writesTo reports a write through v unless it goes to what belongs to the program.
func (w *walk) writesTo(i int, v value, who string) {
	if v.kind.harmless() {
		return
	}
	switch v.kind {
	case context:
		w.problem(i, "%s writes to the context, which the kernel goes on with", who)
	case packet:
		w.problem(i, "%s writes to the packet", who)
	case object:
		w.problem(i, "%s writes to a struct of the kernel", who)
	default:
		w.problem(i, "%s writes to a place that is not known to be the program's own", who)
	}
}

const (
	loadAcquire = asm.AtomicOp(0x1_0000) // the only atomic that does not write
	fetches     = asm.AtomicOp(0x100)
)

func (w *walk) store(i int, ins *asm.Instruction, s *state) {
	atomic := ins.OpCode.AtomicOp()
	if atomic == loadAcquire {
		s.regs[ins.Dst] = w.load(ins, s.regs[ins.Src], s)
		return
	}
	to, size := s.regs[ins.Dst], ins.OpCode.Size().Sizeof()
	w.writesTo(i, to, "a store")
	stored := value{kind: number}
	if ins.OpCode.Class() == asm.StXClass && atomic == asm.InvalidAtomic {
		stored = s.regs[ins.Src]
	}
	switch {
	case to.kind == stack && to.known:
		s.save(to.n+int64(ins.Offset), size, stored)
	case to.kind.harmless() && to.kind != memory && size == 8 && stored.risky():
		w.problem(i, "a store puts a pointer where it is not followed")
	}
	switch {
	case atomic == asm.InvalidAtomic:
	case atomic == asm.CmpXchg:
		s.regs[asm.R0] = value{kind: number}
	case atomic&fetches != 0:
		s.regs[ins.Src] = value{kind: number}
	}
}

func (w *walk) load(ins *asm.Instruction, from value, s *state) value {
	size := ins.OpCode.Size().Sizeof()
	at := from.n + int64(ins.Offset)
	switch {
	case from.kind == context:
		return w.field(from.known, at, size)
	case from.kind == stack && from.known:
		return s.saved(at, size)
	case from.kind.harmless() && from.kind != memory && size == 8:
		return value{kind: mixed} // some pointer that was saved there, or none
	}
	return value{kind: number}
}

// Fields of struct __sk_buff that are pointers, include/uapi/linux/bpf.h.
const (
	skbData     = 76
	skbDataMeta = 140
	skbFlowKeys = 144
	skbSock     = 168
)

// field is what a load from the context gives.
func (w *walk) field(known bool, at int64, size int) value {
	if w.progType != ebpf.SchedCLS && w.progType != ebpf.CGroupSKB {
		return value{kind: number} // arguments of a hook: the verifier lets no store go through them
	}
	overlaps := func(field, width int64) bool { return at < field+width && field < at+int64(size) }
	switch {
	case !known:
		return value{kind: mixed}
	case overlaps(skbData, 4), overlaps(skbDataMeta, 4):
		return value{kind: packet}
	case overlaps(skbSock, 8), overlaps(skbFlowKeys, 8):
		return value{kind: object}
	}
	return value{kind: number}
}

func (w *walk) loadImmediate(i int, ins *asm.Instruction, s *state) {
	if !ins.OpCode.IsDWordLoad() { // LD_ABS and LD_IND read from the packet into R0
		s.forgetScratch()
		s.regs[asm.R0] = value{kind: number}
		return
	}
	switch {
	case ins.IsLoadOfFunctionPointer():
		w.problem(i, "passes a function on, where it is not followed")
		s.regs[ins.Dst] = value{kind: number}
	case ins.Src == asm.PseudoMapValue:
		s.regs[ins.Dst] = value{kind: memory}
	case ins.Src == asm.R0:
		s.regs[ins.Dst] = constant(ins.Constant)
	default: // a map, or an address of the kernel
		s.regs[ins.Dst] = value{kind: number}
	}
}

// compute is what an ALU instruction leaves in its destination. Pointers survive only 64-bit moves and additions.
func compute(ins *asm.Instruction, s *state) value {
	wide := ins.OpCode.Class() == asm.ALU64Class
	operand := s.regs[ins.Src]
	if ins.OpCode.Source() == asm.ImmSource {
		operand = constant(ins.Constant)
	}
	switch op := ins.OpCode.ALUOp(); {
	case op == asm.Mov && wide:
		return operand
	case op == asm.Mov && operand.kind == number && operand.known:
		return constant(int64(uint32(operand.n)))
	case wide && (op == asm.Add || op == asm.Sub):
		return add(s.regs[ins.Dst], operand, op)
	}
	return value{kind: number}
}

// add moves a pointer; the difference of two pointers is a number.
func add(a, b value, op asm.ALUOp) value {
	pointer, distance := a, b
	if b.kind > number && op == asm.Add {
		pointer, distance = b, a
	}
	if pointer.kind <= number || distance.kind > number {
		return value{kind: number}
	}
	if !pointer.known || !distance.known {
		return value{kind: pointer.kind}
	}
	if op == asm.Sub {
		return value{pointer.kind, true, pointer.n - distance.n}
	}
	return value{pointer.kind, true, pointer.n + distance.n}
}
