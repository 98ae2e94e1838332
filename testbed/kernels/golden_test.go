// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"os"
	"strings"
	"testing"
)

// TestSupportPageIsWhatTheRunsSaid holds the page against the committed results it is made of.
func TestSupportPageIsWhatTheRunsSaid(t *testing.T) {
	want, err := Golden("testdata").Page()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/kernel-support.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/kernel-support.md is not what testdata/matrix-*.json say: make test-kernels UPDATE=1")
	}
}

func TestEveryColumnIsExplained(t *testing.T) {
	results, err := Golden("testdata").results()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range append(columns(results, false), columns(results, true)...) {
		if meanings[c] == "" {
			t.Errorf("column %s has no meaning in page.go", c)
		}
	}
}

func TestNumbersMayMoveALittle(t *testing.T) {
	const was = "conn state_tp verified 1000 stack 64\nconn send_tp verified 10 stack 8\n"
	for _, tt := range []struct{ name, now, want string }{
		{"the same", was, ""},
		{"nine per cent more", strings.Replace(was, "1000", "1090", 1), ""},
		{"eleven per cent more", strings.Replace(was, "1000", "1110", 1), "- conn state_tp verified 1000 stack 64|+ conn state_tp verified 1110 stack 64"},
		{"a fifth less", strings.Replace(was, "1000", "800", 1), "- conn state_tp verified 1000 stack 64|+ conn state_tp verified 800 stack 64"},
		{"another program", strings.Replace(was, "send_tp", "recv_tp", 1), "+ conn recv_tp verified 10 stack 8|- conn send_tp verified 10 stack 8"},
	} {
		if got := strings.Join(differences(was, tt.now, tolerance), "|"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if d := differences("a 1000\n", "a 1001\n", 0); len(d) != 2 {
		t.Errorf("without tolerance: %q", d)
	}
}

// events are a log as test2json gives it.
var events = []Event{
	{Action: "output", Test: "TestFeatures", Output: "=== RUN   TestFeatures\n"},
	{Action: "output", Test: "TestFeatures", Output: "    f_test.go:7: kprobe is said to be missing\n"},
	{Action: "fail", Test: "TestFeatures"},
	{Action: "output", Test: "TestDoctor", Output: "artifact:doctor.json:{}\n"},
	{Action: "pass", Test: "TestDoctor"},
	{Action: "pass", Test: "TestFlavours/kprobe+off/http1"},
	{Action: "output", Test: "TestFlavours/kprobe+off/dns/deeper", Output: "    f_test.go:9: one is missing\n"},
	{Action: "fail", Test: "TestFlavours/kprobe+off/dns"},
	{Action: "fail", Test: "TestFlavours/kprobe+off"},
	{Action: "output", Test: "TestFlavours/fentry+tcx", Output: "    f_test.go:3: this kernel has no TCX\n"},
	{Action: "skip", Test: "TestFlavours/fentry+tcx"},
	{Action: "fail", Test: "TestFlavours"},
}

func TestResultsAreATableWithReasons(t *testing.T) {
	r := newResult(&Image{Kernel: Kernel{Name: "5.10"}, Release: "5.10.0"})
	for _, e := range events {
		r.take(e)
	}
	if !r.Fails() || r.Artifacts["doctor.json"] != "{}\n" {
		t.Errorf("fails %v, artifacts %v", r.Fails(), r.Artifacts)
	}
	var b strings.Builder
	Print(&b, []*Result{r}, false)
	for _, want := range []string{
		"features  flavours", "FAIL      FAIL", "dns  http1", "kprobe+off          FAIL ok", "fentry+tcx          -    -",
		"- fentry+tcx: this kernel has no TCX", "5.10 kprobe+off dns", "one is missing", "kprobe is said to be missing",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestArtifactThatDiffersTurnsItsCellRed(t *testing.T) {
	g := Golden(t.TempDir())
	r := newResult(&Image{Kernel: Kernel{Name: "5.10"}})
	r.Rows[""] = Row{"doctor": {State: Green}}
	r.Artifacts["doctor.json"] = "{}\n"
	if err := g.Compare(r); err != nil || r.Rows[""]["doctor"].State != Red {
		t.Errorf("nothing committed: %v, %v", r.Rows, err)
	}
	r.Rows[""]["doctor"] = Cell{State: Green}
	if err := g.Update(r); err != nil {
		t.Fatal(err)
	}
	if err := g.Compare(r); err != nil || r.Rows[""]["doctor"].State != Green {
		t.Errorf("just written: %v, %v", r.Rows, err)
	}
}

func TestPanicOfTheKernelIsTold(t *testing.T) {
	c := Console("[    1.0] Loading\n[    2.0] Kernel panic - not syncing: Attempted to kill init!\n[    2.1] ---[ end\n")
	if got := c.Complaints(); len(got) != 1 || !strings.Contains(got[0], "Attempted to kill init") {
		t.Errorf("complaints %q", got)
	}
}
