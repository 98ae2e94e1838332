// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sonde/agent/view"
	"sonde/exporters/socket"
	"sonde/testbed/account"
)

func TestTopRefusesWhatMakesNoSense(t *testing.T) {
	file := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(file, captureFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"", "top needs a terminal to draw on: to print one page use --once"},
		{"--page cats", `--page "cats": want one of services, requests, flows, map, processes, dns, agent, routes, conns`},
		{"--page trace", `--page "trace": want one of`},
		{"--window 2m", "--window 2m0s: want one of 10s, 1m, 5m, 15m"},
		{"--interval 50ms", "--interval 50ms: want 200ms at least"},
		{"--requests 0", "--requests 0: want 1 to 10000000"},
		{"--theme /no/such", "--theme: "},
		{"--export-dir /no/such", `--export-dir "/no/such": there is no such directory`},
		{"--filter --cats", "--filter: column 1: --cats is no filter: accepted are"},
		{"--port 0", `--port "0": accepted are 1 to 65535`},
		{"--not", "--not is not followed by a filter"},
		{"--read FILE --local", "--read and --local exclude each other: one page shows one source"},
		{"--read FILE --attach /x", "--read and --attach exclude each other"},
		{"--read FILE --ring-size 65536", "--ring-size is about live observation"},
		{"--read FILE --once --duration 1s", "--duration is about live observation"},
		{"--attach /x --tc off", "--tc: the agent at --attach captures as it was told when it was started"},
		{"--speed 2", "--speed: only what --read reads can be played"},
		{"--start 5m --paused", "--start --paused: only what --read reads can be played"},
		{"--read FILE --speed -1", `--speed "-1": want a factor like 0.1 or 10, or max`},
		{"--read FILE --speed 1e9", "--speed: speed 1e+09: want a factor up to 100000"},
		{"--read FILE --speed warp", `--speed "warp": want a factor`},
		{"--read FILE --start yesterday", `--start: time "yesterday": accepted are 5m, 1h30m, 14:05`},
		{"-o json", "--output: only for --once"},
		{"--sort p99 --limit 3", "--sort --limit: only for --once"},
		{"--once -o xml", `output format "xml": want text, json or csv`},
		{"--once --sort cats", `--sort "cats": the page services can be sorted by rate, name, errors`},
		{"--once --limit 0", "--limit 0: want 1 to 20000"},
		{"--once --duration -1s", "--duration cannot be negative"},
		{"services", `sonde top takes no argument, got "services"`},
	} {
		args := strings.Fields(strings.ReplaceAll("top "+c.args, "FILE", file))
		if r := sonde(t, args...); r.code != exitUsage || !strings.HasPrefix(r.stderr, "sonde: "+c.want) || r.stdout != "" {
			t.Errorf("sonde top %s: exit code %d, stdout %q, stderr %q\nwant %q", c.args, r.code, r.stdout, r.stderr, c.want)
		}
	}
}

func TestTopNeedsATerminalThatCanPlaceText(t *testing.T) {
	for _, kind := range []string{"", "dumb"} {
		var errs bytes.Buffer
		e := env{stdout: &errs, stderr: &errs, terminal: true, getenv: func(name string) string {
			return map[string]string{"TERM": kind}[name]
		}}
		want := "sonde: top needs a terminal that can place text, and TERM is \"" + kind + "\": to print one page use --once\n"
		if code := execute(context.Background(), e, []string{"top"}); code != exitUsage || !strings.HasPrefix(errs.String(), want) {
			t.Errorf("TERM=%q: exit code %d, stderr %q", kind, code, errs.String())
		}
	}
}

func TestTopWithAFileThatIsNoneSaysWhy(t *testing.T) {
	dir := t.TempDir()
	text, empty := filepath.Join(dir, "text"), filepath.Join(dir, "empty")
	if os.WriteFile(text, []byte("GET / HTTP/1.1\r\n"), 0o600) != nil || os.WriteFile(empty, nil, 0o600) != nil {
		t.Fatal("cannot write")
	}
	for path, want := range map[string]string{
		text: "this is no recording of sonde and no capture", empty: "the file is empty", dir + "/none": "no such file",
	} {
		if r := sonde(t, "top", "--once", "--read", path); r.code != exitFailure || !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", path, r.code, r.stdout, r.stderr)
		}
	}
}

// TestTopWithoutRightsSaysBothWaysOut runs as a user who may do nothing, where no agent is.
func TestTopWithoutRightsSaysBothWaysOut(t *testing.T) {
	if _, err := os.Stat(socket.DefaultPath); err == nil {
		t.Skipf("an agent serves %s", socket.DefaultPath)
	}
	binary := account.Executable(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"top", "--once"}, []string{
			"sonde: no agent serves " + socket.DefaultPath + ", and CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN missing: run sonde as root (sudo)",
			"or start sonde run as root: members of the group sonde may then use sonde top",
		}},
		{[]string{"top", "--once", "--local"}, []string{"sonde: CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN missing: run sonde as root (sudo)"}},
		{[]string{"top", "--once", "--attach", "/no/such.sock"}, []string{"/no/such.sock", "start sonde run"}},
	} {
		cmd := exec.Command(binary, c.args...)
		cmd.Env = []string{asSonde + "=1"}
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		var errs bytes.Buffer
		cmd.Stderr = &errs
		_ = cmd.Run() // the exit code is looked at
		for _, want := range c.want {
			if !strings.Contains(errs.String(), want) {
				t.Errorf("sonde %s: %q is not in %q", strings.Join(c.args, " "), want, errs.String())
			}
		}
		if code := cmd.ProcessState.ExitCode(); code != exitFailure || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("sonde %s: exit code %d, stderr %q", strings.Join(c.args, " "), code, errs.String())
		}
	}
}

func TestTopCompletesItsFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--page ", "services requests flows map processes dns agent routes conns"},
		{"--window ", "10s 1m 5m 15m"},
		{"--theme ", "auto dark light"},
		{"--once --output ", "text json csv"},
		{"--once --page dns --sort ", strings.Join(view.SortKeys(view.PageDNS), " ")},
	} {
		args := strings.Split("__complete top "+c.args, " ") // the empty word at the end is what is completed
		r := sonde(t, args...)
		words, _, _ := strings.Cut(r.stdout, "\n:")
		if got := strings.Join(strings.Fields(words), " "); got != c.want {
			t.Errorf("top %s<TAB>: %q, want %q", c.args, got, c.want)
		}
	}
}
