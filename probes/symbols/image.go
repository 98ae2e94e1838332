// SPDX-License-Identifier: Apache-2.0

package symbols

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
)

const (
	chunkSize      = 240 << 10 // holds whole words, table entries and relocations
	maxRelocations = 4 << 20   // of 24 bytes in the file, 16 in memory while they are needed
)

// image is an executable as it lies in memory once it is loaded, at the addresses that the file gives.
type image struct {
	file     *elf.File
	segments []elf.ProgHeader
	order    binary.ByteOrder

	// relocated are the words that the loader fills in, by address. Go's own linker writes them into the file too, so that
	// they are needed only when another linker made a position-independent program.
	relocated []relocation
}

type relocation struct{ at, value uint64 }

func newImage(f *elf.File) (*image, error) {
	if f.Class != elf.ELFCLASS64 || f.ByteOrder != binary.LittleEndian {
		return nil, errors.New("only 64-bit little-endian programs are understood")
	}
	m := &image{file: f, order: f.ByteOrder}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			m.segments = append(m.segments, p.ProgHeader)
		}
	}
	return m, nil
}

// section returns the first of the named sections that is there.
func (m *image) section(names ...string) *elf.Section {
	for _, n := range names {
		if s := m.file.Section(n); s != nil && s.Type == elf.SHT_PROGBITS && s.Size > 0 {
			return s
		}
	}
	return nil
}

// fileOffset returns where the byte at address addr is in the file, which is what a uprobe is attached by.
func (m *image) fileOffset(addr uint64) (uint64, bool) {
	for _, s := range m.segments {
		if addr >= s.Vaddr && addr-s.Vaddr < s.Filesz {
			return addr - s.Vaddr + s.Off, true
		}
	}
	return 0, false
}

// read fills p with what is at addr. All of it must be in one segment.
func (m *image) read(addr uint64, p []byte) error {
	for i, prog := 0, m.file.Progs; i < len(prog); i++ {
		s := prog[i]
		if s.Type != elf.PT_LOAD || addr < s.Vaddr || addr-s.Vaddr >= s.Filesz {
			continue
		}
		if uint64(len(p)) > s.Filesz-(addr-s.Vaddr) {
			break
		}
		if _, err := s.ReadAt(p, int64(addr-s.Vaddr)); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %d bytes at %#x: %w", len(p), addr, err)
		}
		return nil
	}
	return fmt.Errorf("%d bytes at %#x are not in the file", len(p), addr)
}

// word reads a pointer or an integer of its size.
func (m *image) word(addr uint64) (uint64, error) {
	i := sort.Search(len(m.relocated), func(i int) bool { return m.relocated[i].at >= addr })
	if i < len(m.relocated) && m.relocated[i].at == addr {
		return m.relocated[i].value, nil
	}
	var b [8]byte
	if err := m.read(addr, b[:]); err != nil {
		return 0, err
	}
	return m.order.Uint64(b[:]), nil
}

// words reads n of them that follow each other.
func (m *image) words(addr uint64, n int) ([]uint64, error) {
	all := make([]uint64, n)
	for i := range all {
		var err error
		if all[i], err = m.word(addr + uint64(i)*8); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// scan calls f with consecutive pieces of size bytes from addr on, each of which begins overlap bytes before the end of the
// one before. It stops when f returns false.
func (m *image) scan(addr, size uint64, overlap int, f func(at uint64, piece []byte) bool) error {
	buf := make([]byte, min(size, chunkSize))
	for end := addr + size; addr < end; {
		piece := buf[:min(uint64(len(buf)), end-addr)]
		if err := m.read(addr, piece); err != nil {
			return err
		}
		if !f(addr, piece) || addr+uint64(len(piece)) >= end {
			return nil
		}
		addr += uint64(len(piece) - overlap)
	}
	return nil
}

// relocate reads the relocations that do no more than add where the program was loaded.
func (m *image) relocate() error {
	relative := uint64(elf.R_X86_64_RELATIVE)
	if m.file.Machine == elf.EM_AARCH64 {
		relative = uint64(elf.R_AARCH64_RELATIVE)
	}
	for _, s := range m.file.Sections {
		if s.Type != elf.SHT_RELA || s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		if s.Size/24 > maxRelocations {
			return fmt.Errorf("%d relocations are too many", s.Size/24)
		}
		err := m.scan(s.Addr, s.Size-s.Size%24, 0, func(_ uint64, piece []byte) bool {
			for ; len(piece) >= 24; piece = piece[24:] {
				if m.order.Uint64(piece[8:]) == relative {
					m.relocated = append(m.relocated, relocation{m.order.Uint64(piece), m.order.Uint64(piece[16:])})
				}
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	sort.Slice(m.relocated, func(i, j int) bool { return m.relocated[i].at < m.relocated[j].at })
	return nil
}
