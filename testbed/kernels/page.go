// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// remembered is a run as it is committed: what the page of supported kernels is made of.
type remembered struct {
	Release string
	Order   []string
	Rows    map[string]Row
}

func (g Golden) matrix(k Kernel) string { return filepath.Join(string(g), "matrix-"+k.Name+".json") }

func (g Golden) remember(r *Result) error {
	b, err := json.MarshalIndent(remembered{r.Release, r.Order, r.Rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(g.matrix(r.Kernel), append(b, '\n'), 0o644)
}

// results returns the committed runs, in the order of the catalogue.
func (g Golden) results() ([]*Result, error) {
	var all []*Result
	for _, k := range Catalogue() {
		b, err := os.ReadFile(g.matrix(k))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var m remembered
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("read %s: %w", g.matrix(k), err)
		}
		all = append(all, &Result{Kernel: k, Release: m.Release, Order: m.Order, Rows: m.Rows})
	}
	return all, nil
}

// meanings explain the columns of the page.
var meanings = map[string]string{
	"auto+auto": "what sonde chooses when it is not told", "bridge": "requests between two network namespaces over a bridge",
	"causes": "calls of a Go service have the request as parent that they were made for",
	"dnat":   "requests to a service address that is translated, joined at both ends", "dns": "DNS queries over UDP, IPv4 and IPv6",
	"ends":  "each end names its process, no end a wrong one",
	"flows": "datagrams and their bytes, at sockets and at the interface of a veth pair, exactly",
	"http1": "HTTP/1.1 over the loopback and veth pairs, IPv4 and IPv6: kept connections, errors, bodies, pipelines",
	"http2": "HTTP/2 with streams at once", "iouring": "requests of programs that use io_uring alone",
	"left": "after the end of sonde no program, filter, qdisc or pin is left",
	"same": "every request, its bytes and its ends as in the other flavours", "vxlan": "requests over a VXLAN tunnel",
	"doctor": "`sonde doctor` says what is committed", "features": "no feature is said to be missing that the kernel has",
	"flavours": "all rows below", "foreign": "another tool's programs at the interfaces are left alone, and leave sonde alone",
	"killed":   "after SIGKILL nothing stays, or the next start removes it",
	"programs": "every program loads; the verifier's work is as committed", "two": "two sondes at once count the same",
}

// Page is docs/kernel-support.md.
func (g Golden) Page() (string, error) {
	results, err := g.results()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("<!-- SPDX-License-Identifier: Apache-2.0 -->\n<!-- Written by `make test-kernels UPDATE=1`; do not edit. -->\n" +
		"# Kernels\n\nsonde needs Linux 5.10 with BTF (`/sys/kernel/btf/vmlinux`). This is what the tests of `testbed/kernels` said on " +
		"kernels of Debian,\nemulated: each flavour of hooks forced in turn (`--hooks`, `--tc`), the same traffic, every request " +
		"compared with what was sent.\n`sonde doctor` says which hooks are chosen on the kernel at hand.\n\n" +
		"yes: it held. no: it did not. A number: the kernel lacks what the note with that number says.\n")
	for _, r := range results {
		page(&b, r)
	}
	explain(&b, results)
	return b.String(), nil
}

func page(b *strings.Builder, r *Result) {
	fmt.Fprintf(b, "\n## Linux %s\n", r.Release)
	var notes []string
	table(b, "", r, []string{""}, columns([]*Result{r}, false), &notes)
	var flavours []string
	for _, row := range r.Order {
		if row != "" {
			flavours = append(flavours, row)
		}
	}
	table(b, "`--hooks` + `--tc`", r, flavours, columns([]*Result{r}, true), &notes)
	for i, n := range notes {
		fmt.Fprintf(b, "\n%d. %s", i+1, n)
	}
	if len(notes) > 0 {
		b.WriteString("\n")
	}
}

func table(b *strings.Builder, first string, r *Result, rows, columns []string, notes *[]string) {
	if len(columns) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| %s | %s |\n|%s\n", first, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)+1))
	for _, row := range rows {
		label := row
		if row == "" {
			label = "all"
		}
		fmt.Fprintf(b, "| %s |", label)
		for _, column := range columns {
			c, ran := r.Rows[row][column]
			if !ran {
				c = r.Rows[row][""]
			}
			fmt.Fprintf(b, " %s |", word(c, notes))
		}
		b.WriteString("\n")
	}
}

func word(c Cell, notes *[]string) string {
	switch c.State {
	case Green:
		return "yes"
	case Red:
		return "**no**"
	case Grey:
		for i, n := range *notes {
			if n == c.Why {
				return fmt.Sprint(i + 1)
			}
		}
		*notes = append(*notes, c.Why)
		return fmt.Sprint(len(*notes))
	}
	return ""
}

func explain(b *strings.Builder, results []*Result) {
	b.WriteString("\n## The columns\n\n")
	for _, c := range append(columns(results, false), columns(results, true)...) {
		fmt.Fprintf(b, "- %s: %s\n", c, meanings[c])
	}
}
