// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sonde/exporters/socket"
	"sonde/probes"
	"sonde/probes/hooks"
	"sonde/probes/kernel"
	"sonde/probes/readonly"
)

func doctorCommand(e env) *cobra.Command {
	var output, flavour, tc string
	var mount bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what this kernel allows, the hooks chosen and why, and what cannot be seen",
		Long: `Show what this kernel allows (found by trying), which hook each probe uses and why, what cannot be seen from there,
and the proof that no program of sonde can change what it watches.

Exits with 1 when requests cannot be seen on this machine.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := hooks.Config{Flavour: hooks.Flavour(flavour), TC: hooks.TC(tc)}
			if err := c.Validate(); err != nil {
				return usageError{err}
			}
			if mount {
				if err := mountFilesystems(); err != nil {
					return err
				}
			}
			r := examine(c)
			r.Viewers = socket.Look(cmd.Context(), socketConfig(e))
			switch output {
			case "text":
				r.print(e.stdout)
			case "json":
				enc := json.NewEncoder(e.stdout)
				enc.SetIndent("", "  ")
				if err := enc.Encode(r); err != nil {
					return fmt.Errorf("write report: %w", err)
				}
			default:
				return usageError{fmt.Errorf("output format %q: want text or json", output)}
			}
			return r.verdict()
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "format: text or json")
	f.StringVar(&flavour, "hooks", "auto", "flavour of the socket hooks: auto, fentry, kprobe, tracepoint")
	f.StringVar(&tc, "tc", "auto", "how packets at interfaces are counted: auto, tcx, clsact, off")
	f.BoolVar(&mount, "mount", false, "mount tracefs and bpffs where they are missing")
	return cmd
}

func mountFilesystems() error {
	return errors.Join(kernel.MountTracefs(), kernel.MountBPFFS())
}

// report is what doctor found; its JSON is stable.
type report struct {
	Kernel   string          `json:"kernel"`
	Arch     string          `json:"arch"`
	Features []featureReport `json:"features"`
	Hooks    []hookReport    `json:"hooks"`
	Missing  []missingReport `json:"missing"`
	Blind    []string        `json:"cannot_see"`
	Viewers  socket.Status   `json:"viewers"`
	ReadOnly readOnlyReport  `json:"read_only"`

	err error
}

type featureReport struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`

	untried bool
}

type hookReport struct {
	Probe    string           `json:"probe"`
	Kind     string           `json:"kind"`
	Target   string           `json:"target,omitempty"`
	Program  string           `json:"program"`
	Why      string           `json:"why"`
	Rejected []rejectedReport `json:"rejected,omitempty"`
}

type rejectedReport struct {
	Kind   string `json:"kind"`
	Target string `json:"target,omitempty"`
	Reason string `json:"reason"`
}

type missingReport struct {
	Probe       string           `json:"probe"`
	Consequence string           `json:"consequence"`
	Reasons     []rejectedReport `json:"reasons"`
}

type readOnlyReport struct {
	Programs     int      `json:"programs"`
	Instructions int      `json:"instructions"`
	Findings     []string `json:"findings"`
}

func examine(c hooks.Config) report {
	f := kernel.Detect()
	plan := hooks.New(f, c)
	r := report{
		Kernel: f.Release, Arch: f.Arch, Features: features(f), Hooks: []hookReport{}, Missing: []missingReport{},
		Blind: hooks.Blind(f, plan), err: plan.Required(),
	}
	if f.Rights != nil {
		r.err = f.Rights
	}
	for _, h := range plan.Hooks {
		r.Hooks = append(r.Hooks, hookReport{h.Probe, string(h.Kind), h.Target, h.Program, h.Why, rejected(h.Rejected)})
	}
	for _, m := range plan.Missing {
		r.Missing = append(r.Missing, missingReport{m.Probe, m.Consequence, rejected(m.Reasons)})
	}
	r.ReadOnly = readOnlyProof()
	return r
}

func rejected(all []hooks.Rejected) []rejectedReport {
	out := []rejectedReport{}
	for _, x := range all {
		out = append(out, rejectedReport{string(x.Kind), x.Target, x.Reason})
	}
	return out
}

func features(f *kernel.Features) []featureReport {
	all := []struct {
		name string
		err  error
	}{
		{"rights", f.Rights},
		{"other network namespaces", f.OtherNetNS},
		{"other processes", f.OtherProcesses},
		{"kernel types (BTF)", f.BTF},
		{"ring buffer", f.RingBuffer},
		{"kernel memory reads", f.KernelMemory},
		{"socket storage", f.SKStorage},
		{"cgroup2 root", f.Cgroup2},
		{"cgroup_skb", f.CgroupSKB},
		{"kprobe", f.Kprobe},
		{"fentry", f.Fentry},
		{"tcx", f.TCX},
		{"clsact", f.Clsact},
		{"tracefs", f.Tracefs},
		{"bpffs", f.BPFFS},
	}
	var out []featureReport
	for _, x := range all {
		out = append(out, featureOf(x.name, x.err))
	}
	for _, name := range kernel.TracepointNames() {
		out = append(out, featureOf("tracepoint "+name, f.Tracepoints[name].Err))
	}
	return out
}

func featureOf(name string, err error) featureReport {
	if err != nil {
		return featureReport{Name: name, Reason: err.Error(), untried: errors.Is(err, kernel.ErrNotTried)}
	}
	return featureReport{Name: name, OK: true}
}

// readOnlyProof reads every instruction of every program that this binary carries.
func readOnlyProof() readOnlyReport {
	p := readOnlyReport{Findings: []string{}}
	specs, err := probes.Specs()
	if err != nil {
		p.Findings = append(p.Findings, err.Error())
	}
	for _, spec := range specs {
		for _, prog := range spec.Programs {
			p.Programs++
			p.Instructions += len(prog.Instructions)
		}
		for _, f := range readonly.Check(spec) {
			p.Findings = append(p.Findings, f.String())
		}
	}
	slices.Sort(p.Findings)
	return p
}

func (r report) verdict() error {
	if r.err != nil {
		return r.err
	}
	if n := len(r.ReadOnly.Findings); n > 0 {
		return fmt.Errorf("the read-only proof has %d findings", n)
	}
	return nil
}

func (r report) print(w io.Writer) {
	var b strings.Builder
	fmt.Fprintf(&b, "kernel %s %s\n\nfeatures\n", r.Kernel, r.Arch)
	for _, f := range r.Features {
		mark := "yes"
		switch {
		case f.untried:
			mark = "-  "
		case !f.OK:
			mark = "no "
		}
		line := fmt.Sprintf("  %s  %-34s %s", mark, f.Name, f.Reason)
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
	}
	fmt.Fprint(&b, "\nhooks\n")
	for _, h := range r.Hooks {
		fmt.Fprintf(&b, "  %-16s %-10s %-26s %s\n", h.Probe, h.Kind, h.Target, h.Why)
		for _, x := range h.Rejected {
			fmt.Fprintf(&b, "  %-16s not %s %s: %s\n", "", x.Kind, x.Target, x.Reason)
		}
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "  %-16s missing: %s\n", m.Probe, m.Consequence)
		for _, x := range m.Reasons {
			fmt.Fprintf(&b, "  %-16s not %s %s: %s\n", "", x.Kind, x.Target, x.Reason)
		}
	}
	fmt.Fprint(&b, "\nwhat cannot be seen\n")
	for _, s := range r.Blind {
		fmt.Fprintf(&b, "  - %s\n", s)
	}
	fmt.Fprintf(&b, "\nviewers (sonde top)\n  %s\n", audienceOf(r.Viewers))
	fmt.Fprintf(&b, "\nread-only proof\n  %d programs, %d instructions: ", r.ReadOnly.Programs, r.ReadOnly.Instructions)
	if len(r.ReadOnly.Findings) == 0 {
		fmt.Fprint(&b, "no helper that writes, no store to a packet, every program returns \"pass\"\n")
	}
	for _, s := range r.ReadOnly.Findings {
		fmt.Fprintf(&b, "\n  ! %s", s)
	}
	_, _ = io.WriteString(w, b.String()) // a reader that has gone needs no report
}

// audienceOf says in a line who may look at an agent, and whether there is one.
func audienceOf(s socket.Status) string {
	who := "root"
	if s.Group != "" {
		who = "root and group " + s.Group
	}
	line := s.Path + ": "
	switch {
	case s.Path == socketOff:
		return "sonde run makes no socket (" + socketVariable + "=off)"
	case s.Served:
		line += "sonde run answers, " + who + " may attach"
	default:
		line += "no sonde run answers; of one, " + who + " could attach"
	}
	if s.Hint != "" {
		line += " (" + s.Hint + ")"
	}
	return line
}
