// SPDX-License-Identifier: Apache-2.0

package symbols

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
)

// Limits on what a file may claim.
const (
	maxFunctions  = 4 << 20
	maxNameBytes  = 512 << 20 // of all function names
	maxNameLength = 1 << 10
	maxFills      = 64 << 10 // of a window; descriptions lie in order, so that a window is filled once for hundreds
)

// Magic numbers of the table that maps program counters to functions, by the first release that writes it
// (internal/abi.PCLnTabMagic). The tables of 1.18 and 1.20 differ in how symbols are named only.
const (
	magic118 = 0xfffffff0
	magic120 = 0xfffffff1
)

// functionTable is the table of functions that every Go program carries for its stack traces (runtime.pcHeader).
//
//	header | names | ... | sorted entries of 8 bytes: function begins, its description | descriptions
//
// Both words of an entry are offsets: from the beginning of the text, and from that of the entries.
type functionTable struct {
	m       *image
	header  uint64 // its address
	count   uint64
	names   uint64
	namesN  uint64
	entries uint64
	text    uint64 // address of the first function
	etext   uint64 // of the end of the last one
}

const headerSize = 8 * 9

// parseHeader reads the header at addr.
func parseHeader(m *image, addr uint64) (*functionTable, error) {
	var b [headerSize]byte
	if err := m.read(addr, b[:]); err != nil {
		return nil, err
	}
	if !isHeader(m, b[:]) {
		return nil, fmt.Errorf("no table of functions at %#x", addr)
	}
	at := func(i int) uint64 { return m.order.Uint64(b[i*8:]) }
	t := &functionTable{m: m, header: addr, count: at(1), names: addr + at(4), namesN: at(5) - at(4), entries: addr + at(8)}
	if t.count == 0 || t.count > maxFunctions || at(5) < at(4) || t.namesN > maxNameBytes || at(8) > 1<<40 {
		return nil, fmt.Errorf("the table of functions claims %d functions and %d bytes of names", t.count, t.namesN)
	}
	return t, nil
}

func isHeader(m *image, b []byte) bool {
	magic := m.order.Uint32(b)
	return (magic == magic118 || magic == magic120) && b[4] == 0 && b[5] == 0 && (b[6] == 1 || b[6] == 4) && b[7] == 8
}

// findTable finds the table: in a section of its own, or within the read-only data when another linker joined the sections.
func findTable(m *image) (*functionTable, error) {
	if s := m.section(".gopclntab", ".data.rel.ro.gopclntab"); s != nil {
		return parseHeader(m, s.Addr)
	}
	for _, name := range []string{".data.rel.ro", ".rodata"} {
		s := m.section(name)
		if s == nil {
			continue
		}
		var found *functionTable
		err := m.scan(s.Addr, s.Size, 8, func(at uint64, piece []byte) bool {
			for i := int(-at & 15); i+8 <= len(piece); i += 16 {
				if !isHeader(m, piece[i:]) {
					continue
				}
				if t, err := parseHeader(m, at+uint64(i)); err == nil {
					found = t
					return false
				}
			}
			return true
		})
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, errors.New("the table of functions is not found")
}

// function is where one lies in memory.
type function struct{ entry, end uint64 }

// find returns the wanted functions that are there.
func (t *functionTable) find(wanted map[string]bool) (map[string]function, error) {
	offsets, err := t.nameOffsets(wanted)
	if err != nil || len(offsets) == 0 {
		return nil, err
	}
	w := &window{m: t.m}
	found := map[string]function{}
	err = t.m.scan(t.entries, t.count*8, 0, func(at uint64, piece []byte) bool {
		for i := 0; i+8 <= len(piece); i += 8 {
			name, ok := w.uint32(t.entries + uint64(t.m.order.Uint32(piece[i+4:])) + 4)
			if !ok {
				continue
			}
			if s, ok := offsets[name]; ok {
				found[s] = t.at((at + uint64(i) - t.entries) / 8)
			}
		}
		return len(found) < len(offsets)
	})
	return found, err
}

// nameOffsets finds names in the table of names, each of which ends with a zero byte and is there once.
func (t *functionTable) nameOffsets(wanted map[string]bool) (map[uint32]string, error) {
	found := map[uint32]string{}
	var rest []byte // beginning of a name whose end is in the next piece
	err := t.m.scan(t.names, t.namesN, 0, func(at uint64, piece []byte) bool {
		for len(piece) > 0 {
			end := bytes.IndexByte(piece, 0)
			if end < 0 {
				rest = append(rest, piece[:min(len(piece), maxNameLength)]...)
				break
			}
			name, begin := piece[:end], at
			if len(rest) > 0 {
				begin -= uint64(len(rest))
				name = append(rest, name...)
			}
			if wanted[string(name)] {
				found[uint32(begin-t.names)] = string(name)
			}
			rest = rest[:0]
			piece, at = piece[end+1:], at+uint64(end)+1
		}
		return len(found) < len(wanted)
	})
	return found, err
}

// at returns where function i begins and where the next one does.
func (t *functionTable) at(i uint64) function {
	var b [12]byte
	f := function{end: t.etext}
	n := min(12, (t.count-i)*8)
	if t.m.read(t.entries+i*8, b[:n]) != nil {
		return function{}
	}
	f.entry = t.text + uint64(t.m.order.Uint32(b[:]))
	if n == 12 {
		f.end = t.text + uint64(t.m.order.Uint32(b[8:]))
	}
	return f
}

// nameAt returns the name of the function that the instruction at pc is part of, "" when it is none of this program's.
func (t *functionTable) nameAt(pc uint64) string {
	if pc < t.text || pc >= t.etext {
		return ""
	}
	i := sort.Search(int(t.count), func(i int) bool { return t.at(uint64(i)).entry > pc }) - 1
	var entry [8]byte
	if i < 0 || t.m.read(t.entries+uint64(i)*8, entry[:]) != nil {
		return ""
	}
	var offset [4]byte
	if t.m.read(t.entries+uint64(t.m.order.Uint32(entry[4:]))+4, offset[:]) != nil {
		return ""
	}
	return t.name(uint64(t.m.order.Uint32(offset[:])))
}

func (t *functionTable) name(offset uint64) string {
	if offset >= t.namesN {
		return ""
	}
	b := make([]byte, min(maxNameLength, t.namesN-offset))
	if t.m.read(t.names+offset, b) != nil {
		return ""
	}
	name, _, _ := bytes.Cut(b, []byte{0})
	return string(name)
}

// window reads words that lie close to each other without a system call for each.
type window struct {
	m     *image
	at    uint64
	buf   []byte
	fills int
	b     [16 << 10]byte
}

func (w *window) uint32(addr uint64) (uint32, bool) {
	if addr < w.at || addr+4 > w.at+uint64(len(w.buf)) {
		if w.fills++; w.fills > maxFills {
			return 0, false
		}
		w.at = addr
		for n := len(w.b); ; n /= 2 { // a segment may end before the window does
			if n < 4 {
				w.buf = nil
				return 0, false
			}
			if w.m.read(addr, w.b[:n]) == nil {
				w.buf = w.b[:n]
				break
			}
		}
	}
	return w.m.order.Uint32(w.buf[addr-w.at:]), true
}
