// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"path"
	"strings"
)

// packagesAreDescribed asks for a package comment in one file of each package.
func packagesAreDescribed(t *tree) []string {
	described := map[string]bool{}
	first := map[string]*file{}
	var order []string
	for _, f := range t.files {
		if !f.isGo() || f.isGoTest() {
			continue
		}
		if first[f.folder()] == nil {
			first[f.folder()] = f
			order = append(order, f.folder())
		}
		if f.syntax.Doc.Text() != "" && !f.generated {
			described[f.folder()] = true
		}
	}
	var complaints []string
	for _, folder := range order {
		if !described[folder] {
			complaints = append(complaints, t.complain(first[folder].syntax.Package,
				"package %s has no comment: what it is for, what it is not, who calls it", folder))
		}
	}
	return complaints
}

// emptyNames say nothing about what a package holds, so everything ends up in it.
var emptyNames = map[string]bool{
	"util": true, "utils": true, "common": true, "helper": true, "helpers": true, "misc": true, "shared": true,
	"lib": true, "base": true, "manager": true, "handler": true,
}

// packagesAreNamedAfterThings refuses the names above, for folders too: `common` with a better package clause is common.
func packagesAreNamedAfterThings(t *tree) []string {
	var complaints []string
	for _, f := range t.files {
		if !f.isGo() {
			continue
		}
		name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
		if emptyNames[name] || emptyNames[path.Base(f.folder())] {
			complaints = append(complaints, t.complain(f.syntax.Package, "package %q in %s: the name says nothing", name, f.folder()))
		}
	}
	return complaints
}

// exportedNamesAreDocumented wants a comment at every exported name. One above a group speaks for its constants and
// variables and for other names of a type, not for new types.
func exportedNamesAreDocumented(t *tree) []string {
	var complaints []string
	for _, f := range t.files {
		if !f.isGo() || f.isGoTest() || f.generated {
			continue
		}
		for _, decl := range f.syntax.Decls {
			for _, name := range undocumented(decl) {
				complaints = append(complaints, t.complain(name.Pos(), "exported %s has no comment", name.Name))
			}
		}
	}
	return complaints
}

func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc.Text() == "" && d.Name.IsExported() && receiverIsExported(d) && !isStandardMethod(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		return undocumentedSpecs(d)
	}
	return nil
}

// isStandardMethod knows the methods that the standard library documents for all: fmt, errors and sort.
func isStandardMethod(d *ast.FuncDecl) bool {
	switch d.Name.Name {
	case "String", "Error", "Unwrap", "Len", "Less", "Swap":
		return d.Recv != nil
	}
	return false
}

func receiverIsExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool { // through pointers and type parameters
		name, isName := n.(*ast.Ident)
		exported = exported || isName && name.IsExported()
		return !isName
	})
	return exported
}

func undocumentedSpecs(d *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	alone := !d.Lparen.IsValid()
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			group := d.Doc.Text() != "" && (alone || s.Assign.IsValid())
			if s.Name.IsExported() && s.Doc.Text() == "" && s.Comment.Text() == "" && !group {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			if s.Doc.Text() != "" || s.Comment.Text() != "" || d.Doc.Text() != "" {
				continue
			}
			for _, name := range s.Names {
				if name.IsExported() {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// nothingRegistersItself refuses init functions: they hide the order of things, and order matters in detection.
func nothingRegistersItself(t *tree) []string {
	return t.eachFunction(func(f *file, d *ast.FuncDecl) string {
		if d.Recv != nil || d.Name.Name != "init" || f.generated {
			return ""
		}
		return t.complain(d.Pos(), "init() hides the order of things; make an explicit list")
	})
}

const mostFunctionLines = 80

func functionsAreShort(t *tree) []string {
	return t.eachFunction(func(f *file, d *ast.FuncDecl) string {
		lines := t.fset.Position(d.End()).Line - t.fset.Position(d.Pos()).Line + 1
		if lines <= mostFunctionLines || f.generated {
			return ""
		}
		return t.complain(d.Pos(), "%s has %d lines, %d are the limit", d.Name.Name, lines, mostFunctionLines)
	})
}

func (t *tree) eachFunction(check func(f *file, d *ast.FuncDecl) string) []string {
	var complaints []string
	for _, f := range t.files {
		if !f.isGo() {
			continue
		}
		for _, decl := range f.syntax.Decls {
			if d, isFunc := decl.(*ast.FuncDecl); isFunc {
				if c := check(f, d); c != "" {
					complaints = append(complaints, c)
				}
			}
		}
	}
	return complaints
}

// unsafeStaysInProbes: only probes shares memory with the kernel. The testbed, which is not shipped, has clients that
// do so as well (io_uring).
func unsafeStaysInProbes(t *tree) []string {
	return t.importStaysIn("unsafe", func(f *file) bool { return allowed(f.folder(), []string{"probes/...", "testbed/..."}) })
}

// processesStartInTests: sonde starts no process on the machine that it observes. A test may: a real process beats a
// pretended one.
func processesStartInTests(t *tree) []string {
	return t.importStaysIn("os/exec", func(f *file) bool { return f.isGoTest() || matches(f.folder(), "testbed/...") })
}

func (t *tree) importStaysIn(imported string, home func(*file) bool) []string {
	var complaints []string
	for _, f := range t.files {
		if !f.isGo() || home(f) {
			continue
		}
		for _, spec := range f.syntax.Imports {
			if strings.Trim(spec.Path.Value, `"`) == imported {
				complaints = append(complaints, t.complain(spec.Pos(), "%s may not be imported in %s", imported, f.folder()))
			}
		}
	}
	return complaints
}
