// SPDX-License-Identifier: Apache-2.0

package house

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	licence    = "SPDX-License-Identifier: Apache-2.0"
	licenceBPF = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause" // the kernel asks for the GPL
)

// firstLinesNameTheLicence looks at sources; a script has its interpreter in front.
func firstLinesNameTheLicence(t *tree) []string {
	var complaints []string
	for _, f := range t.files {
		if f.generated || f.isFixture() || !f.isSource() {
			continue
		}
		line, rest, _ := strings.Cut(string(f.text), "\n")
		if f.isScript() {
			line, _, _ = strings.Cut(rest, "\n")
		}
		want := licence
		if f.isC() && strings.Contains("/"+f.path, "/bpf/") {
			want = licenceBPF
		}
		if strings.Trim(line, "/*# ") != want {
			complaints = append(complaints, fmt.Sprintf("%s:1: the first line does not say %q", f.path, want))
		}
	}
	return complaints
}

func (f *file) isSource() bool {
	return f.isGo() || f.isC() || f.isScript() || path.Base(f.path) == "Makefile" ||
		slices.Contains([]string{".sh", ".py", ".js", ".mjs"}, path.Ext(f.path))
}

const mostFileLines = 600

func filesAreShort(t *tree) []string {
	var complaints []string
	for _, f := range t.files {
		if n := f.lines(); n > mostFileLines && f.isSource() && !f.generated && !f.isFixture() {
			complaints = append(complaints, fmt.Sprintf("%s:1: %d lines, %d are the limit", f.path, n, mostFileLines))
		}
	}
	return complaints
}

// cFunction is a block in kernel style: its braces stand alone in the first column.
var cFunction = regexp.MustCompile(`(?ms)^\{$.*?^\}$`)

func cFunctionsAreShort(t *tree) []string {
	var complaints []string
	for _, f := range t.files {
		if !f.isC() || f.generated {
			continue
		}
		for _, at := range cFunction.FindAllIndex(f.text, -1) {
			lines := bytes.Count(f.text[at[0]:at[1]], []byte("\n")) + 2 // the line above and the last one
			if lines > mostFunctionLines {
				complaints = append(complaints, fmt.Sprintf("%s: a function has %d lines, %d are the limit",
					f.at(at[0]), lines, mostFunctionLines))
			}
		}
	}
	return complaints
}

func (f *file) at(offset int) string {
	return fmt.Sprintf("%s:%d", f.path, bytes.Count(f.text[:offset], []byte("\n"))+1)
}

// mostProgramName is BPF_OBJ_NAME_LEN without its final zero: the kernel cuts what is longer, and two programs that
// differ behind the cut look the same in every tool.
const mostProgramName = 15

// bpfProgram finds the name behind a section: `int name(` or `int BPF_KPROBE(name`.
var bpfProgram = regexp.MustCompile(`SEC\("[^"]+"\)\s+int\s+(?:BPF_[A-Z0-9_]+\(\s*)?(\w+)`)

func programNamesFitTheKernel(t *tree) []string {
	var complaints []string
	for _, f := range t.files {
		if !f.isC() || f.generated {
			continue
		}
		for _, m := range bpfProgram.FindAllSubmatchIndex(f.text, -1) {
			name := string(f.text[m[2]:m[3]])
			if len(name) > mostProgramName {
				complaints = append(complaints, fmt.Sprintf("%s: program %s has %d characters, %d are the limit",
					f.at(m[2]), name, len(name), mostProgramName))
			}
		}
	}
	return complaints
}

// traces are signs of the machine that a file was written on. Each is split so that this file does not hold what it
// looks for.
var traces = []struct{ what, pattern string }{
	{"a package registry", `\bproxy\.` + `golang\.org\b`},
	{"a package registry", `\bsum\.` + `golang\.org\b`},
	{"a package registry", `\bregistry\.` + `(npmjs|yarnpkg)\.(org|com)\b`},
	{"a package registry", `\b(pypi|files\.python` + `hosted)\.org\b`},
	{"a package registry", `\b(deb|security|ftp|snapshot)\.` + `debian\.org\b`},
	{"a package registry", `\b(static|index)\.` + `crates\.io\b`},
	{"a package registry", `\b(artifactory|nexus|jfrog)` + `[.-][a-z0-9.-]+\.[a-z]{2,}\b`},
	{"a path of one machine", `(^|[\s"'` + "`" + `(=:,])/` + `(work|home/[a-z0-9_-]+|Users/[A-Za-z0-9_-]+)/[a-z]`},
	{"a path of one machine", `(^|[\s"'` + "`" + `(=:,])/` + `root/[a-z.]`},
	{"a path of one machine", `/tmp/` + `(brief|bash_)`},
}

// nothingTellsOfTheMachine refuses host names of registries and absolute paths: they mean nothing elsewhere. extra are
// host names that this very machine is set up with.
func nothingTellsOfTheMachine(extra ...string) func(*tree) []string {
	patterns := make([]*regexp.Regexp, 0, len(traces)+len(extra))
	whats := make([]string, 0, cap(patterns))
	for _, tr := range traces {
		patterns, whats = append(patterns, regexp.MustCompile(`(?m)`+tr.pattern)), append(whats, tr.what)
	}
	for _, host := range extra {
		patterns = append(patterns, regexp.MustCompile(regexp.QuoteMeta(host)))
		whats = append(whats, "a host that this machine is set up with")
	}
	return func(t *tree) []string {
		var complaints []string
		for _, f := range t.files {
			for i, p := range patterns {
				for _, m := range p.FindAllIndex(f.text, -1) {
					complaints = append(complaints, fmt.Sprintf("%s: %s: %q", f.at(m[0]), whats[i], f.text[m[0]:m[1]]))
				}
			}
		}
		return complaints
	}
}
