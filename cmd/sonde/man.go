// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sonde/exporters/socket"
	"sonde/tui"
)

// manCommand writes sonde(1). It is for packagers, so that the page is never older than the binary, and hidden from users.
//
// cobra's own generator makes a page for each command and needs two Markdown libraries and a YAML one in the binary.
func manCommand(e env) *cobra.Command {
	return &cobra.Command{
		Use:     "man",
		Short:   "Write the manual page sonde(1)",
		Example: "  sonde man >/usr/local/share/man/man1/sonde.1",
		Hidden:  true,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var p page
			p.write(cmd.Root())
			_, err := io.WriteString(e.stdout, p.String())
			return err
		},
	}
}

// outside is what a command line does not tell: section title and text.
var outside = [...][2]string{
	{"EXIT STATUS", "0: done, also when ended by SIGINT or SIGTERM.\n\n" +
		"1: sonde could not do its work; one line on stderr says why and what to do.\n\n" +
		"2: the command line is wrong.\n\n" +
		"3: observe --exit-code showed no event."},
	{"ENVIRONMENT", "SONDE_RING_BYTES: default of --ring-size.\n\n" +
		socketVariable + ": socket for viewers, of run and of top.\n\n" +
		"GOMEMLIMIT: soft limit of the daemon's heap in place of 256MiB, as in 512MiB.\n\n" +
		"NO_COLOR: when set, no colours. --color=always overrules it.\n\n" +
		"TERM: dumb means no colours.\n\n" +
		"OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, " +
		"OTEL_PROPAGATORS and the others that OpenTelemetry specifies: what run exports, and where to."},
	{"FILES", socket.DefaultPath + ": socket of a running agent, for root and the group " + socket.DefaultGroup + ".\n\n" +
		"/etc/default/sonde: environment of the systemd unit sonde.service."},
	{"SEE ALSO", "tcpdump(8), ss(8), bpftool(8)"},
	{"LICENSE", "Apache-2.0; the programs that it loads into the kernel: GPL-2.0-only or BSD-2-Clause."},
}

// page is a manual page in roff with the macros of man(7).
type page struct{ strings.Builder }

func (p *page) write(root *cobra.Command) {
	// No date: the same source gives the same page.
	p.macro(".TH", strings.ToUpper(root.Name()), "1", "", root.Name()+" "+version, "User Commands")
	p.line(".nh") // a flag that is broken at a hyphen can neither be found nor copied
	p.line(".ad l")
	p.macro(".SH", "NAME")
	p.line(root.Name() + " - " + root.Short)
	p.macro(".SH", "SYNOPSIS")
	p.bold(root.Name())
	p.line("[command] [flags]")
	p.macro(".SH", "DESCRIPTION")
	p.text(root.Long)
	p.macro(".SH", "COMMANDS")
	p.line("Each command has --help.")
	p.commands(root)
	for _, o := range outside {
		p.macro(".SH", o[0])
		p.text(o[1])
	}
}

func (p *page) commands(parent *cobra.Command) {
	for _, c := range parent.Commands() {
		if c.Hidden {
			continue
		}
		p.macro(".SS", c.UseLine())
		if parent.HasParent() || c.Long == "" { // the scripts of completion explain themselves at length in their help
			p.line(c.Short + ".")
		} else {
			p.text(c.Long)
		}
		c.LocalFlags().VisitAll(p.flag)
		if c.HasExample() {
			p.line(".PP")
			p.line("Examples:")
			p.literal(c.Example)
		}
		if c.Name() == "top" {
			p.keys(tui.Keys())
		}
		p.commands(c)
	}
}

// keys writes the table that the viewer shows with ?, group by group.
func (p *page) keys(table []tui.KeyHelp) {
	group := ""
	for _, k := range table {
		if k.Group != group {
			group = k.Group
			p.line(".PP")
			p.line("Keys, " + strings.ToLower(group) + ":")
		}
		p.line(".TP")
		p.bold(strings.Join(k.Keys, ", "))
		p.line(k.Help)
	}
}

func (p *page) flag(f *pflag.Flag) {
	if f.Hidden || f.Name == "help" {
		return
	}
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	placeholder, usage := pflag.UnquoteUsage(f)
	if placeholder != "" && f.NoOptDefVal == "" {
		name += " " + placeholder
	}
	p.line(".TP")
	p.bold(name)
	if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "false" && f.DefValue != "[]" {
		usage += " (default " + f.DefValue + ")"
	}
	p.line(usage)
}

// text writes paragraphs; one with indented lines is written as it stands.
func (p *page) text(s string) {
	for i, paragraph := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		if lines := "\n" + paragraph; strings.Contains(lines, "\n ") || strings.Contains(lines, "\n\t") {
			p.literal(paragraph)
			continue
		}
		for line := range strings.Lines(paragraph) {
			p.line(strings.TrimRight(line, "\n"))
		}
	}
}

func (p *page) literal(s string) {
	p.line(".nf")
	for line := range strings.Lines(s) {
		p.line(strings.TrimRight(line, "\n"))
	}
	p.line(".fi")
}

func (p *page) bold(s string) { p.macro(".B", s) }

// macro writes a request with quoted arguments.
func (p *page) macro(name string, args ...string) {
	p.WriteString(name)
	for _, a := range args {
		fmt.Fprintf(p, " \"%s\"", strings.ReplaceAll(escape(a), `"`, `\(dq`))
	}
	p.WriteByte('\n')
}

// line writes a line of text, or a bare request of the list that this file uses.
func (p *page) line(s string) {
	switch s {
	case ".PP", ".TP", ".nf", ".fi", ".nh", ".ad l":
	default:
		s = escape(s)
		if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") { // roff would take it for a request
			s = `\&` + s
		}
	}
	p.WriteString(s + "\n")
}

// escape keeps roff from reading commands in text, and hyphens from becoming dashes that cannot be copied to a shell.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`).Replace(s)
}
