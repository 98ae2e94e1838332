// SPDX-License-Identifier: Apache-2.0

package readonly

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// code is a program with the functions that it calls, and where each jump and call goes.
type code struct {
	insns  asm.Instructions
	target map[int]int // index of a jump or call -> index of where it goes
	start  []int       // index of an instruction -> index of the first one of its function
}

var errEmpty = errors.New("no instructions")

// newCode resolves jumps: by label in assembled programs, by distance in those that come from a compiler.
func newCode(insns asm.Instructions) (*code, error) {
	if len(insns) == 0 {
		return nil, errEmpty
	}
	c := &code{insns: insns, target: make(map[int]int)}
	labels := make(map[string]int)
	at := make(map[asm.RawInstructionOffset]int) // a 64-bit constant counts twice in a distance
	position := make([]asm.RawInstructionOffset, len(insns))
	var offset asm.RawInstructionOffset
	for i := range insns {
		if insns[i].Dst > asm.R10 || insns[i].Src > asm.R10 {
			return nil, fmt.Errorf("instruction %d names a register that does not exist", i)
		}
		if insns[i].OpCode == asm.InvalidOpCode {
			return nil, fmt.Errorf("instruction %d is not one", i)
		}
		if name := insns[i].Symbol(); name != "" {
			labels[name] = i
		}
		at[offset], position[i] = i, offset
		offset += insns[i].Width()
	}
	for i := range insns {
		ins := &insns[i]
		if !jumps(ins) {
			continue
		}
		to, ok := labels[ins.Reference()]
		if ins.Reference() == "" {
			to, ok = at[position[i]+1+asm.RawInstructionOffset(distance(ins))]
		}
		if !ok {
			return nil, fmt.Errorf("instruction %d jumps to nowhere", i)
		}
		c.target[i] = to
	}
	return c, c.split()
}

// jumps tells whether an instruction names another one.
func jumps(ins *asm.Instruction) bool {
	op := ins.OpCode.JumpOp()
	return op != asm.InvalidJumpOp && op != asm.Exit && (op != asm.Call || ins.IsFunctionCall())
}

func distance(ins *asm.Instruction) int64 {
	if ins.IsFunctionCall() || ins.OpCode.Class() == asm.Jump32Class && ins.OpCode.JumpOp() == asm.Ja {
		return ins.Constant
	}
	return int64(ins.Offset)
}

// split finds the functions: the program itself and what is called. A jump must not leave its function.
func (c *code) split() error {
	begins := map[int]bool{0: true}
	for i, to := range c.target {
		if c.insns[i].IsFunctionCall() {
			begins[to] = true
		}
	}
	c.start = make([]int, len(c.insns))
	first := 0
	for i := range c.insns {
		if begins[i] {
			first = i
		}
		c.start[i] = first
	}
	for i, to := range c.target {
		if !c.insns[i].IsFunctionCall() && c.start[i] != c.start[to] {
			return fmt.Errorf("instruction %d jumps into another function", i)
		}
	}
	return nil
}
