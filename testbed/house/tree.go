// SPDX-License-Identifier: Apache-2.0

package house

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// file is a text file of the tree. Binary files are not in it.
type file struct {
	path      string // below the root, with slashes
	text      []byte
	generated bool
	syntax    *ast.File // of Go files, else nil
}

func (f *file) folder() string  { return path.Dir(f.path) }
func (f *file) isGo() bool      { return f.syntax != nil }
func (f *file) isGoTest() bool  { return strings.HasSuffix(f.path, "_test.go") }
func (f *file) isC() bool       { return strings.HasSuffix(f.path, ".c") || strings.HasSuffix(f.path, ".h") }
func (f *file) isScript() bool  { return bytes.HasPrefix(f.text, []byte("#!")) }
func (f *file) isFixture() bool { return strings.Contains("/"+f.path, "/testdata/") }

func (f *file) lines() int { return bytes.Count(f.text, []byte("\n")) }

// tree is everything that a rule looks at.
type tree struct {
	module string // path of the Go module
	fset   *token.FileSet
	files  []*file
}

// complain names a place and what is wrong with it.
func (t *tree) complain(pos token.Pos, format string, args ...any) string {
	p := t.fset.Position(pos)
	return fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, fmt.Sprintf(format, args...))
}

// load reads the tree below root, generated and test files included, whatever their build tags.
func load(root fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // a build or a test beside us removed it
			return nil
		case err != nil:
			return err
		case entry.IsDir() && isForeign(name):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		return t.add(root, name)
	})
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	if t.module == "" {
		return nil, errors.New("read the tree: no go.mod with a module line")
	}
	return t, nil
}

// isForeign names folders that hold nothing of ours.
func isForeign(folder string) bool {
	switch path.Base(folder) {
	case ".git", "node_modules", "__pycache__":
		return true
	}
	return false
}

var moduleLine = regexp.MustCompile(`(?m)^module (\S+)$`)

func (t *tree) add(root fs.FS, name string) error {
	text, err := fs.ReadFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 { // what git calls binary
		return nil
	}
	f := &file{path: name, text: text, generated: isGenerated(name, text)}
	if strings.HasSuffix(name, ".go") && !f.isFixture() {
		f.syntax, err = parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
	}
	if name == "go.mod" {
		if m := moduleLine.FindSubmatch(text); m != nil {
			t.module = string(m[1])
		}
	}
	t.files = append(t.files, f)
	return nil
}

var generatedLine = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func isGenerated(name string, text []byte) bool {
	switch {
	case strings.HasSuffix(name, ".go"):
		return generatedLine.Match(text)
	case path.Base(name) == "vmlinux.h", name == "go.sum":
		return true
	}
	return false
}
