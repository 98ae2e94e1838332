// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sonde/testbed/account"
	"sonde/tui"
)

var update = flag.Bool("update", false, "rewrite testdata")

// asSonde makes the test binary behave as sonde: that is how a test runs it as another user.
const asSonde = "SONDE_TEST_AS_SONDE"

func TestMain(m *testing.M) {
	if os.Getenv(asSonde) != "" {
		main()
	}
	os.Exit(m.Run())
}

// result is what a command line left behind.
type result struct {
	code           int
	stdout, stderr string
}

func sonde(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	e := env{stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
	code := execute(context.Background(), e, args)
	return result{code, out.String(), errs.String()}
}

// TestWrongCommandLinesSayWhatIsAccepted runs the command lines of testdata/wrong.txt and compares what is printed.
func TestWrongCommandLinesSayWhatIsAccepted(t *testing.T) {
	const file = "testdata/wrong.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "\n$ ")
	got := head
	for _, line := range regexp.MustCompile(`(?m)^\$ sonde (.*)$`).FindAllStringSubmatch(string(text), -1) {
		r := sonde(t, strings.Fields(line[1])...)
		if r.code != exitUsage || r.stdout != "" {
			t.Errorf("sonde %s: exit code %d, stdout %q: want a usage error", line[1], r.code, r.stdout)
		}
		message, hint, _ := strings.Cut(r.stderr, "\n")
		if hint != "Run 'sonde --help' or 'sonde COMMAND --help' for what is accepted.\n" {
			t.Errorf("sonde %s: no hint behind the message: %q", line[1], r.stderr)
		}
		got += fmt.Sprintf("\n$ sonde %s\n%s\n", line[1], message)
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got != string(text) {
		t.Errorf("%s does not show what is printed; -update rewrites it:\n%s", file, got)
	}
}

// What these say depends on the machine: its page size, its cgroup mount.
func TestWrongSizesAndPathsAreUsageErrors(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"observe --ring-size 1000", "sonde: ring size 1000: must be a power of two of at least "},
		{"run --ring-size 3145728", "sonde: ring size 3145728: must be a power of two of at least "},
		{"observe --cgroup /no/such", "sonde: cgroup /no/such: no such directory below "},
	} {
		if r := sonde(t, strings.Fields(c.args)...); r.code != exitUsage || !strings.HasPrefix(r.stderr, c.want) {
			t.Errorf("sonde %s: exit code %d, stderr %q\nwant %q", c.args, r.code, r.stderr, c.want)
		}
	}
}

// commands calls f for every command that users see.
func commands(f func(*cobra.Command)) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		f(c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand(env{getenv: func(string) string { return "" }, stdout: io.Discard, stderr: io.Discard}))
}

func TestHelpDescribesEveryCommandAndFlag(t *testing.T) {
	n := 0
	commands(func(c *cobra.Command) {
		n++
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		r := sonde(t, args...)
		if r.code != exitOK || r.stderr != "" || c.Short == "" {
			t.Errorf("%s --help: exit code %d, stderr %q, short %q", c.CommandPath(), r.code, r.stderr, c.Short)
		}
		for _, sub := range c.Commands() {
			if !sub.Hidden && !strings.Contains(r.stdout, sub.Short) {
				t.Errorf("%s --help does not tell of %s", c.CommandPath(), sub.Name())
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if len(f.Usage) < 8 || !strings.Contains(r.stdout, "--"+f.Name+" ") {
				t.Errorf("%s --%s: usage %q, or it is not in the help", c.CommandPath(), f.Name, f.Usage)
			}
		})
	})
	if n < 6 {
		t.Errorf("%d commands found", n)
	}
}

func TestManualHasEveryCommandAndFlag(t *testing.T) {
	r := sonde(t, "man")
	if r.code != exitOK {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	text := strings.NewReplacer(`\-`, "-", `\(aq`, "'", `\e`, `\`, `\&`, "", `\(dq`, `"`, `\(ga`, "`").Replace(r.stdout)
	sections := map[string]string{}
	for _, s := range strings.Split(text, "\n.SS ")[1:] {
		title, body, _ := strings.Cut(s, "\n")
		sections[strings.Trim(title, `"`)] = body
	}
	commands(func(c *cobra.Command) {
		if c.Hidden || !c.HasParent() {
			return
		}
		body, ok := sections[c.UseLine()]
		if !ok {
			t.Errorf("no section %q", c.UseLine())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(body, "--"+f.Name) {
				t.Errorf("%s: no --%s", c.CommandPath(), f.Name)
			}
		})
	})
	for _, line := range strings.Split(r.stdout, "\n") {
		if strings.HasPrefix(line, ".") && !regexp.MustCompile(`^\.(TH|SH|SS|B|PP|TP|nf|fi|nh|ad)\b`).MatchString(line) {
			t.Errorf("text that roff takes for a request: %q", line)
		}
	}
}

// TestManualHasNoWarnings asks the programs that show manuals.
func TestManualHasNoWarnings(t *testing.T) {
	page := sonde(t, "man").stdout
	for _, args := range [][]string{{"mandoc", "-T", "lint", "-W", "warning"}, {"groff", "-ww", "-man", "-Tutf8", "-z"}} {
		path, err := exec.LookPath(args[0])
		if err != nil {
			t.Logf("%s is not installed", args[0])
			continue
		}
		cmd := exec.Command(path, args[1:]...)
		cmd.Stdin = strings.NewReader(page)
		out, _ := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, "missing date") { // the same source gives the same page
				t.Errorf("%s: %s", strings.Join(args, " "), line)
			}
		}
	}
}

func TestManualHasTheKeysOfTheViewer(t *testing.T) {
	page := sonde(t, "man").stdout
	for _, k := range tui.Keys() {
		if !strings.Contains(page, escape(k.Help)) {
			t.Errorf("%q is missing: %s", k.Keys, k.Help)
		}
	}
	for _, section := range []string{"EXIT STATUS", "ENVIRONMENT", "FILES"} {
		if !strings.Contains(page, `.SH "`+section+`"`) {
			t.Errorf("no section %s", section)
		}
	}
}

func TestCompletionIsAScript(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := sonde(t, "completion", shell); r.code != exitOK || len(r.stdout) < 1000 || !strings.Contains(r.stdout, "sonde") {
			t.Errorf("completion %s: exit code %d, %d bytes, stderr %q", shell, r.code, len(r.stdout), r.stderr)
		}
	}
}

func TestRunWithAPortTakenSaysWhichAndWhatToDo(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ln.Addr().String()
	want := "sonde: cannot serve metrics on " + addr +
		": the address is already in use, choose a free one with --prometheus-listen\n"
	if r := sonde(t, "run", "--prometheus-listen", addr); r.code != exitFailure || r.stderr != want || r.stdout != "" {
		t.Errorf("exit code %d, stdout %q, stderr %q\nwant %q", r.code, r.stdout, r.stderr, want)
	}
}

// TestWithoutRootSaysWhatIsMissing runs each command that needs rights as a user who has none.
func TestWithoutRootSaysWhatIsMissing(t *testing.T) {
	binary := account.Executable(t)
	for _, args := range [][]string{{"observe"}, {"run", "--prometheus-listen", "127.0.0.1:0"}, {"doctor"}} {
		cmd := exec.Command(binary, args...)
		cmd.Env = []string{asSonde + "=1"}
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		var errs bytes.Buffer
		cmd.Stderr = &errs
		_ = cmd.Run() // the exit code is looked at
		const want = "sonde: CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN missing: run sonde as root (sudo), " +
			"or grant these capabilities to the container or the service\n"
		if code := cmd.ProcessState.ExitCode(); code != exitFailure || errs.String() != want {
			t.Errorf("sonde %s: exit code %d, stderr %q\nwant %q", strings.Join(args, " "), code, errs.String(), want)
		}
	}
}

func TestVersionIsOneLine(t *testing.T) {
	r := sonde(t, "version")
	if r.code != exitOK || !regexp.MustCompile(`^sonde \S+( commit \S+)? linux/\w+ go\S+\n$`).MatchString(r.stdout) {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
}
