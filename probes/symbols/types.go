// SPDX-License-Identifier: Apache-2.0

package symbols

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// What a type descriptor looks like (internal/abi.Type). It is the same in all releases that are read here.
const (
	typeFlags     = 20
	typeKind      = 23
	typeName      = 40
	typeSize      = 48             // what follows depends on the kind
	structSize    = typeSize + 8*4 // package, fields
	fieldSize     = 8 * 3          // name, type, offset
	kindMask      = 1<<5 - 1
	kindStruct    = 25
	flagUncommon  = 1 << 0
	flagExtraStar = 1 << 1

	maxFields = 1 << 10
	longest   = 127     // names of types that are looked for: their length is one byte
	maxTries  = 1 << 10 // descriptors that are looked at because their name is right
)

// typeTable is what a program knows of its own types, for the collector and for reflection. The linker leaves out what nothing
// can ask for; a type that is allocated or put into an interface is there, and so is what its fields point to.
//
// Descriptors and their names lie mixed. Some releases have an index of some of them; going through all is as fast and does not
// depend on it.
type typeTable struct {
	m     *image
	types uint64 // address that offsets are relative to
	end   uint64
}

// TypeName names a type by the path of its package.
type TypeName struct{ Package, Name string }

// short is what the program calls a pointer to the type: "*http.persistConn".
func (n TypeName) short() string {
	return "*" + n.Package[strings.LastIndexByte(n.Package, '/')+1:] + "." + n.Name
}

// structure is a struct type: its fields by name.
type structure map[string]field

type field struct {
	offset uint64
	typ    uint64 // address of its type
}

// find returns the struct types of these names that are in the program.
func (t *typeTable) find(wanted []TypeName) (map[TypeName]structure, error) {
	byShort := map[string][]TypeName{}
	for _, n := range wanted {
		byShort[n.short()] = append(byShort[n.short()], n)
	}
	names, err := t.nameOffsets(byShort)
	if err != nil {
		return nil, err
	}
	found := map[TypeName]structure{}
	tries := 0
	err = t.m.scan(t.types, t.end-t.types, typeSize, func(at uint64, piece []byte) bool {
		for i := int(-at & 7); i+typeSize <= len(piece); i += 8 {
			if piece[i+typeKind]&kindMask != kindStruct || piece[i+typeFlags]&flagExtraStar == 0 {
				continue
			}
			for _, n := range names[t.m.order.Uint32(piece[i+typeName:])] {
				tries++
				if s, in, err := t.fields(at + uint64(i)); err == nil && in == n.Package {
					found[n] = s
				}
			}
		}
		return len(found) < len(wanted) && tries < maxTries
	})
	return found, err
}

// nameOffsets finds where names are. Each is there once or, as an exported and as another name, twice.
func (t *typeTable) nameOffsets(wanted map[string][]TypeName) (map[uint32][]TypeName, error) {
	found := map[uint32][]TypeName{}
	err := t.m.scan(t.types, t.end-t.types, longest+2, func(at uint64, piece []byte) bool {
		for i := 2; i < len(piece); i++ {
			next := bytes.IndexByte(piece[i:], '*')
			if next < 0 {
				break
			}
			i += next
			n := int(piece[i-1])
			if n > longest || i+n > len(piece) {
				continue
			}
			if names := wanted[string(piece[i:i+n])]; names != nil {
				found[uint32(at+uint64(i)-2-t.types)] = names
			}
		}
		return true
	})
	return found, err
}

// fields reads a struct type and the package that it was declared in.
func (t *typeTable) fields(typ uint64) (structure, string, error) {
	if kind, err := t.kind(typ); err != nil || kind != kindStruct {
		return nil, "", errors.Join(errors.New("not a struct"), err)
	}
	pkg, err := t.packageOf(typ)
	if err != nil {
		return nil, "", err
	}
	list, err := t.m.words(typ+typeSize+8, 2) // address, length
	if err != nil {
		return nil, "", err
	}
	s := structure{}
	for i := range min(list[1], maxFields) {
		f, err := t.m.words(list[0]+i*fieldSize, 3)
		if err != nil {
			return nil, "", err
		}
		name, err := t.name(f[0])
		if err != nil {
			return nil, "", err
		}
		s[name] = field{offset: f[2], typ: f[1]}
	}
	return s, pkg, nil
}

// packageOf returns the path of the package that a struct type was declared in, "" when it has no name.
func (t *typeTable) packageOf(typ uint64) (string, error) {
	var b [structSize + 4]byte // behind a named type: internal/abi.UncommonType, which begins with the package
	if err := t.m.read(typ, b[:]); err != nil || b[typeFlags]&flagUncommon == 0 {
		return "", err
	}
	return t.name(t.types + uint64(t.m.order.Uint32(b[structSize:])))
}

// name reads a name (internal/abi.Name): flags, the length as a varint, the bytes.
func (t *typeTable) name(at uint64) (string, error) {
	var b [4]byte
	if err := t.m.read(at, b[:]); err != nil {
		return "", err
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > maxNameLength {
		return "", fmt.Errorf("name at %#x has no length", at)
	}
	s := make([]byte, n)
	err := t.m.read(at+1+uint64(size), s)
	return string(s), err
}

func (t *typeTable) kind(typ uint64) (byte, error) {
	if typ < t.types || typ >= t.end {
		return 0, fmt.Errorf("type at %#x is outside of the table of types", typ)
	}
	var b [typeSize]byte
	err := t.m.read(typ, b[:])
	return b[typeKind] & kindMask, err
}

// Kind tells types apart (internal/abi.Kind).
type Kind byte

// The kinds that are asked for.
const (
	Int       Kind = 2
	Uint32    Kind = 10
	Uint64    Kind = 11
	Uintptr   Kind = 12
	Interface Kind = 20
	Pointer   Kind = 22
)

// Hop is a field on the way to what is asked for.
type Hop struct {
	Offset uint32 // bytes from the beginning of the struct
	Kind   Kind   // of the field
}

// path follows a chain of fields from a struct on: through structs that are fields, which need no hop of their own, and
// through pointers to structs. The last hop is the field that is asked for.
func (t *typeTable) path(s structure, fields ...string) ([]Hop, error) {
	var hops []Hop
	base := uint64(0)
	for i, name := range fields {
		f, ok := s[name]
		if !ok {
			return nil, fmt.Errorf("no field %s", strings.Join(fields[:i+1], "."))
		}
		kind, err := t.kind(f.typ)
		if err != nil {
			return nil, err
		}
		if base += f.offset; base > 1<<16 {
			return nil, fmt.Errorf("field %s at offset %d", strings.Join(fields[:i+1], "."), base)
		}
		last := i == len(fields)-1
		if last || kind == byte(Pointer) {
			hops = append(hops, Hop{Offset: uint32(base), Kind: Kind(kind)})
			base = 0
		}
		if last {
			break
		}
		if kind == byte(Pointer) {
			if f.typ, err = t.m.word(f.typ + typeSize); err != nil {
				return nil, err
			}
		}
		if s, _, err = t.fields(f.typ); err != nil {
			return nil, fmt.Errorf("field %s: %w", strings.Join(fields[:i+1], "."), err)
		}
	}
	return hops, nil
}
