// SPDX-License-Identifier: Apache-2.0

package symbols

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"go/version"
	"io"
	"strings"
)

// ErrNotGo says that an executable is no Go program.
var ErrNotGo = errors.New("not a Go program")

// oldest is the first release whose tables have the form that is read here and that passes arguments in registers.
const oldest = "go1.19"

// Program is a Go program that was looked into. Methods are safe for concurrent use as long as the file that it was opened
// with stays open.
type Program struct {
	Release string            // of Go: "go1.26.8"
	Modules map[string]string // path -> version, the main module's included

	machine   elf.Machine
	image     *image
	functions *functionTable
	types     *typeTable
}

// Open looks into an executable. It reads the section headers of what is not Go, and returns ErrNotGo.
func Open(r io.ReaderAt) (p *Program, err error) {
	defer func() { // debug/elf and debug/buildinfo were not made for files that want to hurt
		if bad := recover(); bad != nil {
			p, err = nil, fmt.Errorf("damaged executable: %v", bad)
		}
	}()
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("read the ELF header: %w", err)
	}
	if f.Section(".go.buildinfo") == nil {
		return nil, ErrNotGo
	}
	info, err := buildinfo.Read(r)
	if err != nil {
		return nil, fmt.Errorf("read the build information: %w", err)
	}
	p = &Program{Release: release(info.GoVersion), Modules: map[string]string{info.Main.Path: info.Main.Version}, machine: f.Machine}
	for _, d := range info.Deps {
		v := d.Version
		if d.Replace != nil {
			v = d.Replace.Version
		}
		p.Modules[d.Path] = v
	}
	if version.Compare(p.Release, oldest) < 0 && version.IsValid(p.Release) {
		return p, fmt.Errorf("%s is older than %s", p.Release, oldest)
	}
	return p, p.readTables(f)
}

// release takes the release out of what the toolchain says: "go1.26.8 X:nocoverageredesign", "devel go1.28-1234abcd Mon ...".
func release(s string) string {
	for word := range strings.FieldsSeq(s) {
		if word, _, _ = strings.Cut(word, "-"); version.IsValid(word) {
			return word
		}
	}
	return s
}

func (p *Program) readTables(f *elf.File) (err error) {
	if p.image, err = newImage(f); err != nil {
		return err
	}
	if p.functions, err = findTable(p.image); err != nil {
		return err
	}
	if p.types, err = parseModule(p.image, p.Release, p.functions); err == nil || f.Type != elf.ET_DYN {
		return err
	}
	// Another linker than Go's leaves the words empty that the loader fills in.
	if err = p.image.relocate(); err != nil {
		return err
	}
	p.types, err = parseModule(p.image, p.Release, p.functions)
	return err
}
