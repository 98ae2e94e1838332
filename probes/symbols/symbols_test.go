// SPDX-License-Identifier: Apache-2.0

package symbols

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// builds are ways to build a program, of which each hides or moves something.
var builds = []struct {
	name  string
	env   []string
	flags []string
}{
	{"plain", nil, nil},
	{"without symbols and DWARF", nil, []string{"-ldflags=-s -w"}},
	{"without paths", nil, []string{"-trimpath", "-ldflags=-s -w"}},
	{"static", []string{"CGO_ENABLED=0"}, []string{"-ldflags=-s -w"}},
	{"position independent", nil, []string{"-buildmode=pie", "-ldflags=-s -w"}},
	{"linked by another linker", []string{"CGO_ENABLED=1"}, []string{"-ldflags=-s -w -linkmode=external"}},
	{"position independent and linked by another linker", []string{"CGO_ENABLED=1"}, []string{"-buildmode=pie", "-ldflags=-s -w -linkmode=external"}},
	{"go1.21", []string{"GOTOOLCHAIN=go1.21.13", "GOPROXY=off"}, nil},
	{"go1.21, position independent and linked by another linker", []string{"GOTOOLCHAIN=go1.21.13", "GOPROXY=off"}, []string{"-buildmode=pie", "-ldflags=-s -w -linkmode=external"}},
	{"go1.27", []string{"GOTOOLCHAIN=go1.27.4", "GOPROXY=off"}, nil},
	{"go1.27, position independent", []string{"GOTOOLCHAIN=go1.27.4", "GOPROXY=off"}, []string{"-buildmode=pie", "-ldflags=-s -w"}},
	{"for arm64", []string{"GOARCH=arm64", "CGO_ENABLED=0"}, []string{"-ldflags=-s -w"}},
}

// build builds the program of testdata/offsets as a module of its own; t is skipped where the toolchain is not there.
func build(t testing.TB, env []string, flags ...string) string {
	t.Helper()
	source, err := os.ReadFile("testdata/offsets/main.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": string(source), "go.mod": "module offsets\n\ngo 1.21\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// reflect.TypeFor is of 1.22.
	if strings.Contains(fmt.Sprint(env), "go1.21") {
		text := strings.ReplaceAll(string(source), "reflect.TypeFor[", "typeFor[") +
			"\nfunc typeFor[T any]() reflect.Type { return reflect.TypeOf((*T)(nil)).Elem() }\n"
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", "program"}, flags...), ".")...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		if len(env) > 0 {
			t.Skipf("this toolchain is not here: %v\n%s", err, text)
		}
		t.Fatalf("build: %v\n%s", err, text)
	}
	return filepath.Join(dir, "program")
}

func open(t testing.TB, path string) *Program {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	p, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProgramsAreUnderstoodHoweverBuilt(t *testing.T) {
	for _, b := range builds {
		t.Run(b.name, func(t *testing.T) {
			path := build(t, b.env, b.flags...)
			p := open(t, path)
			if !strings.HasPrefix(p.Release, "go1.") {
				t.Errorf("release %q", p.Release)
			}
			if _, ok := p.Modules["offsets"]; !ok {
				t.Errorf("modules %v", p.Modules)
			}
			goroutine := TypeName{"runtime", "g"}
			types, err := p.Structs(goroutine, TypeName{"net/http", "persistConn"})
			if err != nil || !types.Has(goroutine) || !types.Has(TypeName{"net/http", "persistConn"}) {
				t.Fatal("types that uprobes need are not found: ", err)
			}
			checkSites(t, p, path)
			if strings.Contains(b.name, "arm64") {
				return // does not run here
			}
			checkWhatItSays(t, p, path)
		})
	}
}

// checkWhatItSays runs the program and holds what it knows of itself against what was found from outside.
func checkWhatItSays(t *testing.T, p *Program, path string) {
	t.Helper()
	out, err := exec.Command(path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var bias []uint64
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		switch words[0] {
		case "field":
			checkField(t, p, words)
		case "function":
			var addr uint64
			_, _ = fmt.Sscan(words[2], &addr)
			found, err := p.Functions(words[1])
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %v, %v", words[1], found, err)
			}
			f := found[words[1]]
			bias = append(bias, addr-f.address)
			for _, pc := range []uint64{f.address, f.address + f.Size - 1} {
				if got := p.NameAt(pc); got != words[1] {
					t.Errorf("at %#x is %q, want %s", pc, got, words[1])
				}
			}
		default:
			t.Error(line)
		}
	}
	if len(bias) != 2 || bias[0] != bias[1] || p.Fixed() && bias[0] != 0 {
		t.Errorf("functions are %#x from where they were found", bias)
	}
}

func checkField(t *testing.T, p *Program, words []string) {
	t.Helper()
	name := TypeName{words[1], words[2]}
	types, err := p.Structs(name)
	if err != nil {
		t.Fatal(err)
	}
	hop, err := types.Field(name, words[4:]...)
	if err != nil || fmt.Sprint(hop.Offset) != words[3] {
		t.Errorf("%v is at %d (%v)", words, hop.Offset, err)
	}
}

// checkSites holds the places for uprobes against the code that is there.
func checkSites(t *testing.T, p *Program, path string) {
	t.Helper()
	checkReturns(t, p, path)
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const name, asks = "main.(*deep).method", "main.asks"
	found, err := p.Functions(name, asks)
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	entry, after := p.Entry(found[name]), p.AfterCalls(found[asks], found[name])
	if p.machine != elf.EM_X86_64 {
		if entry != found[name].Offset || len(after) != 0 {
			t.Errorf("entry %#x, after calls %#x", entry, after)
		}
		return
	}
	if code[entry] != 0x55 || entry == found[name].Offset || entry > found[name].Offset+32 {
		t.Errorf("the function begins at %#x, PUSHQ BP is not at %#x: % x", found[name].Offset, entry, code[entry:entry+4])
	}
	if len(after) != 1 || code[after[0]]&^1 != 0x74 && !bytes.HasPrefix(code[after[0]:], []byte{0x0f, 0x84}) && !bytes.HasPrefix(code[after[0]:], []byte{0x0f, 0x85}) {
		t.Errorf("a call with a result that is looked at, found %#x", after)
	}
	if more := p.AfterCalls(found[name], found[name]); len(more) != 0 { // it calls itself, and looks at no second result
		t.Errorf("found %#x", more)
	}
}

func checkReturns(t *testing.T, p *Program, path string) {
	t.Helper()
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const name = "main.(*deep).method"
	found, err := p.Functions(name)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	returns, err := p.Returns(found[name])
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range returns {
		if p.machine == elf.EM_X86_64 && code[at] != 0xc3 || p.machine == elf.EM_AARCH64 && p.image.order.Uint32(code[at:]) != 0xd65f03c0 {
			t.Errorf("no return at %#x: % x", at, code[at:at+4])
		}
	}
	if len(returns) != 2 { // it has two
		t.Errorf("%d returns, want 2", len(returns))
	}
}

// DWARF says the same of a type that reflection cannot get hold of.
func TestGoroutinesAreAsDWARFHasThem(t *testing.T) {
	for _, b := range builds {
		if len(b.flags) > 0 {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			path := build(t, b.env)
			p := open(t, path)
			n := TypeName{"runtime", "g"}
			types, err := p.Structs(n)
			if err != nil {
				t.Fatal(err)
			}
			want := dwarfFields(t, path, "runtime.g")
			for _, field := range []string{"goid", "parentGoid", "startpc"} {
				if got, err := types.Field(n, field); err != nil || int64(got.Offset) != want[field] {
					t.Errorf("%s is at %d (%v), DWARF says %d", field, got.Offset, err, want[field])
				}
			}
		})
	}
}

func dwarfFields(t *testing.T, path, name string) map[string]int64 {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]int64{}
	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil || e == nil {
			t.Fatalf("no %s in DWARF: %v", name, err)
		}
		if e.Tag != dwarf.TagStructType || e.Val(dwarf.AttrName) != name {
			continue
		}
		for m, _ := r.Next(); m != nil && m.Tag == dwarf.TagMember; m, _ = r.Next() {
			fields[m.Val(dwarf.AttrName).(string)] = m.Val(dwarf.AttrDataMemberLoc).(int64)
		}
		return fields
	}
}

func TestPathsLeadThroughPointers(t *testing.T) {
	p := open(t, build(t, nil))
	n := TypeName{"net", "TCPConn"}
	types, err := p.Structs(n)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		fields []string
		hops   []Hop
		err    string
	}{
		{[]string{"conn", "fd", "pfd", "Sysfd"}, []Hop{{0, Pointer}, {16, Int}}, ""},
		{[]string{"conn", "fd"}, []Hop{{0, Pointer}}, ""},
		{[]string{"conn", "fd", "raddr"}, []Hop{{0, Pointer}, {112, Interface}}, ""},
		{[]string{"conn", "fd", "missing"}, nil, "no field conn.fd.missing"},
		{[]string{"conn", "fd", "net", "x"}, nil, "not a struct"},
	}
	for _, tt := range tests {
		hops, err := types.Path(n, tt.fields...)
		if !reflect.DeepEqual(hops, tt.hops) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%v: %v, %v", tt.fields, hops, err)
		}
	}
	if _, err := types.Field(n, "conn", "fd", "pfd", "Sysfd"); err == nil {
		t.Error("an offset through a pointer")
	}
	if _, err := types.Path(TypeName{"net", "Nothing"}, "x"); err == nil {
		t.Error("a type that is not there")
	}
}

func TestOtherFilesAreNotGo(t *testing.T) {
	if _, err := Open(bytes.NewReader([]byte("#!/bin/sh\n"))); err == nil {
		t.Error("a script is a program")
	}
	ls, err := os.Open("/bin/ls")
	if err != nil {
		t.Skip(err)
	}
	defer ls.Close()
	if _, err := Open(ls); !errors.Is(err, ErrNotGo) {
		t.Errorf("ls is %v", err)
	}
}

func TestReleaseIsTheWordThatIsOne(t *testing.T) {
	for text, want := range map[string]string{
		"go1.26.8":                            "go1.26.8",
		"go1.25.1 X:nocoverageredesign":       "go1.25.1",
		"devel go1.28-0a1b2c3d Mon Nov 2":     "go1.28",
		"go1.24.0-custom":                     "go1.24.0",
		"unknown":                             "unknown",
		"go1.27rc1":                           "go1.27rc1",
		"":                                    "",
		"devel +a1b2c3d Tue Mar 3 2020 +0000": "devel +a1b2c3d Tue Mar 3 2020 +0000",
	} {
		if got := release(text); got != want {
			t.Errorf("release of %q is %q, want %q", text, got, want)
		}
	}
}

// damaged is a file of which eight bytes are others.
type damaged struct {
	whole []byte
	at    int64
	word  [8]byte
}

func (d damaged) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(d.whole).ReadAt(p, off)
	for i, b := range d.word {
		if at := d.at + int64(i) - off; at >= 0 && at < int64(n) {
			p[at] = b
		}
	}
	return n, err
}

// A file that lies gives an error or something wrong that can be asked; it never ends the one that asks.
func FuzzDamagedProgram(f *testing.F) {
	whole, err := os.ReadFile(build(f, nil, "-ldflags=-s -w"))
	if err != nil {
		f.Fatal(err)
	}
	e, err := elf.NewFile(bytes.NewReader(whole))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{".gopclntab", ".go.module", ".typelink", ".go.buildinfo", ".rodata"} {
		if s := e.Section(name); s != nil {
			for word := range uint64(40) {
				f.Add(s.Offset+word*8, uint64(1)<<word)
			}
		}
	}
	for word := range uint64(24) {
		f.Add(word*8, ^uint64(0))
	}
	n := TypeName{"net/http", "persistConn"}
	f.Fuzz(func(t *testing.T, at, word uint64) {
		d := damaged{whole: whole, at: int64(at % uint64(len(whole)))}
		for i := range d.word {
			d.word[i] = byte(word >> (8 * i))
		}
		p, err := Open(d)
		if err != nil {
			return
		}
		if types, err := p.Structs(n, TypeName{"runtime", "g"}); err == nil {
			_, _ = types.Path(n, "conn")
		}
		const name = "net/http.(*persistConn).roundTrip"
		found, _ := p.Functions(name)
		if fn, ok := found[name]; ok {
			_, _ = p.Returns(fn)
			_ = p.NameAt(fn.address)
		}
	})
}
