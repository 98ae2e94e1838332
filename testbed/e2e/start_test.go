// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sonde/testbed/e2e/harness"
)

// ending runs a command to its end and returns its exit code and its standard error. A command that goes on, as an agent
// does that found what it needs, is ended after limit with the code -1.
func ending(t *testing.T, limit time.Duration, argv ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	_ = cmd.Run()
	if ctx.Err() != nil {
		return -1, stderr.String()
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}

// expectOneSentence fails unless the command ended with an error code and one sentence that contains all of words.
func expectOneSentence(t *testing.T, code int, stderr string, words ...string) {
	t.Helper()
	text := strings.TrimSpace(stderr)
	t.Logf("exit code %d: %s", code, text)
	if code <= 0 {
		t.Errorf("exit code %d, want an error", code)
	}
	if text == "" || strings.Count(text, "\n") > 0 || len(text) > 400 {
		t.Errorf("want one sentence, got %d lines, %d bytes", strings.Count(text, "\n")+1, len(text))
	}
	for _, w := range words {
		if !strings.Contains(strings.ToLower(text), w) {
			t.Errorf("the sentence does not speak of %q", w)
		}
	}
}

// verbs are the commands that need the kernel.
var verbs = [][]string{{"observe", "-o", "json"}, {"run", "--prometheus-listen", "127.0.0.1:0"}}

func eachVerb(t *testing.T, test func(t *testing.T, l *lab, verb []string)) {
	l := newLab(t)
	for _, v := range verbs {
		t.Run(v[0], func(t *testing.T) { test(t, l, v) })
	}
}

func TestWithoutRootOneSentenceSaysSo(t *testing.T) {
	eachVerb(t, func(t *testing.T, l *lab, verb []string) {
		code, stderr := ending(t, 20*time.Second,
			append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", l.bin}, verb...)...)
		expectOneSentence(t, code, stderr, "root")
	})
}

func TestRootWithoutCapabilitiesIsToldWhichAreMissing(t *testing.T) {
	eachVerb(t, func(t *testing.T, l *lab, verb []string) {
		code, stderr := ending(t, 20*time.Second,
			append([]string{"setpriv", "--inh-caps=-all", "--bounding-set=-all", "--ambient-caps=-all", l.bin}, verb...)...)
		expectOneSentence(t, code, stderr, "cap")
	})
}

// masked runs sonde in a mount namespace in which a directory is empty.
func masked(t *testing.T, l *lab, verb []string, dirs ...string) (int, string) {
	t.Helper()
	script := ""
	for _, d := range dirs {
		script += "if [ -d " + d + " ]; then mount -t tmpfs -o ro none " + d + " || exit 90; fi; "
	}
	argv := []string{"unshare", "--mount", "sh", "-c", script + `exec "$@"`, "sh", l.bin}
	return ending(t, 6*time.Second, append(argv, verb...)...)
}

func TestWithoutBTFOneSentenceSaysSo(t *testing.T) {
	eachVerb(t, func(t *testing.T, l *lab, verb []string) {
		code, stderr := masked(t, l, verb, "/sys/kernel/btf")
		expectOneSentence(t, code, stderr, "btf")
	})
}

// Without tracefs sonde may mount it, do without it, or say what is missing: all but an obscure failure.
func TestWithoutTracefsItWorksOrOneSentenceSaysSo(t *testing.T) {
	eachVerb(t, func(t *testing.T, l *lab, verb []string) {
		code, stderr := masked(t, l, verb, "/sys/kernel/tracing", "/sys/kernel/debug")
		if code == -1 {
			t.Logf("works without tracefs: %s", strings.TrimSpace(stderr))
			return
		}
		expectOneSentence(t, code, stderr, "tracefs")
	})
}

func TestWithAPortTakenOneSentenceSaysSo(t *testing.T) {
	l := newLab(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	code, stderr := ending(t, 20*time.Second, l.bin, "run", "--prometheus-listen", ln.Addr().String())
	expectOneSentence(t, code, stderr, port)
}

func TestUnknownFlagsAndCommandsAreErrors(t *testing.T) {
	l := newLab(t)
	for _, args := range [][]string{{"observe", "--no-such-flag"}, {"no-such-command"}, {"observe", "-o", "no-such-format"}, {"observe", "--port", "x"}} {
		code, stderr := ending(t, 10*time.Second, append([]string{l.bin}, args...)...)
		if code <= 0 || strings.TrimSpace(stderr) == "" || strings.Contains(stderr, "panic") {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
}

// TestTwoAgentsAtOnce holds that observers do not disturb each other.
func TestTwoAgentsAtOnceSeeTheSame(t *testing.T) {
	l := newLab(t)
	s := l.server(t, "go", "127.0.0.1")
	a, b := l.observe(t, s.Port), l.observe(t, s.Port)
	c := l.client(t, "go", s)
	want := harness.Counts{}
	send(t, c, plan("two"), want)
	a.expect(want)
	b.expect(want)
	_ = c.Close()
}
