// SPDX-License-Identifier: Apache-2.0

package symbols

import (
	"debug/elf"
	"errors"
	"fmt"

	"golang.org/x/arch/x86/x86asm"
)

const maxFunctionBytes = 1 << 20 // of code that is searched for the places where it returns

// Function is a function of a program.
type Function struct {
	Offset uint64 // of its first instruction in the file
	Size   uint64 // bytes up to the next function, padding included

	address uint64
}

// Functions returns those of the named functions that are in the program. Names are those of stack traces:
// "net/http.(*persistConn).roundTrip". A function that the compiler put into its callers is not there.
func (p *Program) Functions(names ...string) (map[string]Function, error) {
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	entries, err := p.functions.find(wanted)
	if err != nil {
		return nil, err
	}
	found := map[string]Function{}
	for name, f := range entries {
		offset, ok := p.image.fileOffset(f.entry)
		if !ok || f.end <= f.entry {
			return nil, fmt.Errorf("function %s at %#x is not in the file", name, f.entry)
		}
		found[name] = Function{Offset: offset, Size: f.end - f.entry, address: f.entry}
	}
	return found, nil
}

// Entry returns the offset in the file of an instruction that each call executes once, with the arguments where the caller put
// them: behind the check of the stack, which begins anew once the stack has grown. On amd64 it is one that the kernel does
// not have to step over (PUSHQ BP), which halves the cost of a uprobe. The first instruction where the function begins
// otherwise, or the architecture is another.
func (p *Program) Entry(f Function) uint64 {
	var code [64]byte
	n := min(uint64(len(code)), f.Size)
	if p.machine != elf.EM_X86_64 || p.image.read(f.address, code[:n]) != nil {
		return f.Offset
	}
	for at := uint64(0); at < n; {
		i, err := x86asm.Decode(code[at:n], 64)
		switch {
		case err != nil, !checksStack(i):
			return f.Offset
		case i.Op == x86asm.PUSH:
			return f.Offset + at
		}
		at += uint64(i.Len)
	}
	return f.Offset
}

// checksStack tells whether an instruction may be part of the stack check and of the push behind it. R12 is all that these
// may change (cmd/internal/obj/x86, stacksplit).
func checksStack(i x86asm.Inst) bool {
	switch i.Op {
	case x86asm.PUSH:
		return i.Args[0] == x86asm.RBP
	case x86asm.LEA, x86asm.MOV, x86asm.SUB:
		return i.Args[0] == x86asm.R12
	case x86asm.CMP, x86asm.JBE, x86asm.JB:
		return true
	}
	return false
}

// Returns returns the offsets in the file of the instructions that end a call of the function. Go moves stacks, so that the
// return address cannot be replaced as uretprobes do.
func (p *Program) Returns(f Function) ([]uint64, error) {
	if f.Size > maxFunctionBytes {
		return nil, fmt.Errorf("function of %d bytes", f.Size)
	}
	code := make([]byte, f.Size)
	if err := p.image.read(f.address, code); err != nil {
		return nil, err
	}
	var offsets []uint64
	for at := 0; at < len(code); {
		size, returns, err := p.instruction(code[at:])
		if err != nil {
			return nil, fmt.Errorf("instruction at %#x: %w", f.address+uint64(at), err)
		}
		if returns {
			offsets = append(offsets, f.Offset+uint64(at))
		}
		at += size
	}
	if len(offsets) == 0 {
		return nil, errors.New("the function never returns")
	}
	return offsets, nil
}

// AfterCalls returns the offsets in the file of instructions of caller that a call of callee returns to, or a call of what is
// known at run time alone: a conditional jump on whether the second result is nil, with the first one still in its register.
// On amd64 the kernel does not have to step over a jump, as it has to over the RET of callee, so that a uprobe costs a
// tenth. Empty where the compiler did not write it so, and on other architectures.
func (p *Program) AfterCalls(caller, callee Function) []uint64 {
	if p.machine != elf.EM_X86_64 || caller.Size > maxFunctionBytes {
		return nil
	}
	code := make([]byte, caller.Size)
	if p.image.read(caller.address, code) != nil {
		return nil
	}
	var offsets []uint64
	state := 0 // 1: behind the call, 2: behind the test
	for at := uint64(0); at < caller.Size; {
		i, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			return nil
		}
		next := at + uint64(i.Len)
		switch {
		case i.Op == x86asm.CALL:
			state = 0
			if to, direct := i.Args[0].(x86asm.Rel); !direct || caller.address+next+uint64(int64(to)) == callee.address {
				state = 1
			}
		case state == 1 && i.Op == x86asm.TEST && i.Args[0] == x86asm.RBX && i.Args[1] == x86asm.RBX:
			state = 2
		case state == 2 && (i.Op == x86asm.JE || i.Op == x86asm.JNE):
			offsets = append(offsets, caller.Offset+at)
			state = 0
		default:
			state = 0
		}
		at = next
	}
	return offsets
}

func (p *Program) instruction(code []byte) (size int, returns bool, err error) {
	if p.machine == elf.EM_AARCH64 {
		const ret = 0xd65f03c0
		if len(code) < 4 {
			return 0, false, errors.New("half an instruction")
		}
		return 4, p.image.order.Uint32(code) == ret, nil
	}
	i, err := x86asm.Decode(code, 64)
	if err != nil {
		return 0, false, err
	}
	return i.Len, i.Op == x86asm.RET, nil
}

// NameAt returns the name of the function that the instruction at address pc of the file is part of, "" when there is none.
// The address is the one at run time less what Bias returns.
func (p *Program) NameAt(pc uint64) string { return p.functions.nameAt(pc) }

// Bias returns how far a process has the program from where the file says, given the address and the offset in the file of
// one of its mappings.
func (p *Program) Bias(start, offset uint64) (uint64, bool) {
	const page = 4096
	for _, s := range p.image.segments {
		if from := s.Off &^ (page - 1); offset >= from && offset < s.Off+s.Filesz {
			return start - (s.Vaddr&^(page-1) + offset - from), true
		}
	}
	return 0, false
}

// Structs are struct types of a program.
type Structs struct {
	types *typeTable
	found map[TypeName]structure
}

// Structs returns those of the named struct types that are in the program.
func (p *Program) Structs(names ...TypeName) (Structs, error) {
	found, err := p.types.find(names)
	if err == nil && len(found) == 0 && p.needsRelocation() {
		if err = p.image.relocate(); err == nil {
			found, err = p.types.find(names)
		}
	}
	return Structs{p.types, found}, err
}

// needsRelocation tells whether pointers between types may be missing because the loader fills them in.
func (p *Program) needsRelocation() bool {
	return p.image.file.Type == elf.ET_DYN && p.image.relocated == nil
}

// Has tells whether the type is in the program.
func (s Structs) Has(n TypeName) bool { return s.found[n] != nil }

// Path follows a chain of fields from a struct on: through structs that are fields, which need no hop of their own, and
// through pointers to structs. The last hop is the field that is asked for.
func (s Structs) Path(n TypeName, fields ...string) ([]Hop, error) {
	if !s.Has(n) {
		return nil, fmt.Errorf("type %s.%s is not in the program", n.Package, n.Name)
	}
	hops, err := s.types.path(s.found[n], fields...)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", n.Package, n.Name, err)
	}
	return hops, nil
}

// Field is Path for a field that is reached without a pointer.
func (s Structs) Field(n TypeName, fields ...string) (Hop, error) {
	hops, err := s.Path(n, fields...)
	if err == nil && len(hops) > 1 {
		err = fmt.Errorf("%s.%s: a pointer is in the way to %v", n.Package, n.Name, fields)
	}
	if err != nil {
		return Hop{}, err
	}
	return hops[0], nil
}

// Fixed tells whether the program is always loaded where the file says.
func (p *Program) Fixed() bool { return p.image.file.Type == elf.ET_EXEC }
