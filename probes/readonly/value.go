// SPDX-License-Identifier: Apache-2.0

package readonly

import (
	"maps"

	"github.com/cilium/ebpf/asm"
)

// kind is what a register holds, as far as it matters for a store through it.
type kind uint8

const (
	nothing     kind = iota // not set on any path seen so far
	number                  // no pointer that the verifier would let a store go through
	context                 // the program's argument
	stack                   // the own stack frame
	callerStack             // the frame of a calling function
	memory                  // a map's value or a record: the program's own
	own                     // one of the three above, depending on the path
	packet                  // bytes of a packet
	object                  // a struct of the kernel, as a socket
	mixed                   // one or another pointer, depending on the path
)

// value is a kind and, where it is the same on all paths, a number: the constant, or the distance of the pointer.
type value struct {
	kind  kind
	known bool
	n     int64
}

func constant(n int64) value { return value{number, true, n} }

// join is what is known when either may be the case. A number beside a pointer is a failed lookup or a value that the
// verifier does not let a store go through, so that only the pointer counts.
func join(a, b value) value {
	switch {
	case a == b, b.kind == nothing:
		return a
	case a.kind == nothing:
		return b
	case a.kind == b.kind:
		return value{kind: a.kind}
	case a.kind == number:
		return b
	case b.kind == number:
		return a
	case a.kind.harmless() && b.kind.harmless():
		return value{kind: own}
	}
	return value{kind: mixed}
}

// harmless tells whether a store through such a pointer stays with the program.
func (k kind) harmless() bool { return stack <= k && k <= own }

// risky tells whether it matters where such a value is saved: a store through it would be a finding.
func (v value) risky() bool { return v.kind > number && !v.kind.harmless() }

// state is what is known before an instruction. slots holds the pointers that were saved on the own stack, by distance
// from R10; a slot that is not in it holds no pointer.
type state struct {
	regs  [11]value
	slots map[int64]value
}

func (s *state) clone() *state {
	return &state{s.regs, maps.Clone(s.slots)}
}

// merge joins from into s and tells whether that changed s.
func (s *state) merge(from *state) bool {
	changed := false
	for r := range s.regs {
		if v := join(s.regs[r], from.regs[r]); v != s.regs[r] {
			s.regs[r], changed = v, true
		}
	}
	for at, v := range from.slots {
		if v = join(s.slots[at], v); v != s.slots[at] {
			if s.slots == nil {
				s.slots = make(map[int64]value)
			}
			s.slots[at], changed = v, true
		}
	}
	return changed
}

// save records a store of v to the own stack. Only a whole, aligned pointer can be loaded again as one.
func (s *state) save(at int64, size int, v value) {
	for slot := at &^ 7; slot < at+int64(size); slot += 8 {
		delete(s.slots, slot)
	}
	if size == 8 && at&7 == 0 && v.kind > number {
		if s.slots == nil {
			s.slots = make(map[int64]value)
		}
		s.slots[at] = v
	}
}

// saved is what a load from the own stack gives.
func (s *state) saved(at int64, size int) value {
	if v, ok := s.slots[at]; ok && size == 8 {
		return v
	}
	return value{kind: number}
}

// forgetScratch drops R1 to R5, which no call preserves.
func (s *state) forgetScratch() {
	for r := asm.R1; r <= asm.R5; r++ {
		s.regs[r] = value{}
	}
}
