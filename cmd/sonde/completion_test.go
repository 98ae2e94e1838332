// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// offers returns the words, without their descriptions, that a shell is told for the last of args, and the directive.
func offers(t *testing.T, args ...string) (words []string, directive string) {
	t.Helper()
	r := sonde(t, append([]string{"__complete"}, args...)...)
	for line := range strings.Lines(r.stdout) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(word, ":") {
			return words, word
		}
		words = append(words, word)
	}
	t.Fatalf("%q: no directive: %q, %q", args, r.stdout, r.stderr)
	return nil, ""
}

func TestValuesOfFlagsAreCompleted(t *testing.T) {
	for _, c := range []struct {
		args string // _ is the empty word
		want []string
	}{
		{"observe --proto", []string{"--protocol"}},
		{"observe --protocol ht", []string{"http"}},
		{"observe --protocol=ht", []string{"http"}},
		{"observe --protocol http,gr", []string{"http,grpc"}},
		{"observe --not --protocol m", []string{"mysql", "memcached", "mongodb", "mqtt"}},
		{"observe --not --ro", []string{"--role"}},
		{"observe --role server --not --rol", []string{"--role"}},
		{"observe --role _", []string{"client", "server", "wire"}},
		{"observe --role server,", []string{"server,client", "server,wire"}},
		{"observe --outcome _", []string{"ok", "error", "incomplete"}},
		{"observe --type re", []string{"request"}},
		{"observe --http-method p", []string{"POST", "PUT", "PATCH"}},
		{"observe --http-status _", []string{"2+", "3+", "4+", "5+"}},
		{"observe --group-by service,ro", []string{"service,route", "service,role"}},
		{"observe --sort p", []string{"p50", "p95", "p99"}},
		{"observe -o _", []string{"compact", "table", "json"}},
		{"observe --color _", []string{"auto", "always", "never"}},
		{"observe --hooks _", []string{"auto", "fentry", "kprobe", "tracepoint"}},
		{"observe --tc c", []string{"clsact"}},
		{"observe --causes o", []string{"on", "off"}},
		{"observe --interface l", []string{"lo"}},
		{"doctor -o _", []string{"text", "json"}},
		{"record --port no-port", nil},
		{"observe _", nil},
		{"help ob", []string{"observe"}},
		{"comp", []string{"completion"}},
	} {
		args := strings.Fields(c.args)
		if last := len(args) - 1; args[last] == "_" {
			args[last] = ""
		}
		got, directive := offers(t, args...)
		if c.args == "help ob" {
			got = slices.DeleteFunc(got, func(s string) bool { return s != "observe" })
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.args, got, c.want)
		}
		n, err := strconv.Atoi(directive[1:])
		if err != nil || cobra.ShellCompDirective(n)&cobra.ShellCompDirectiveNoFileComp == 0 {
			t.Errorf("%s: directive %s offers files", c.args, directive)
		}
	}
}

func TestWhatThisMachineHasIsCompleted(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(self)
	for flag, want := range map[string]string{
		"--process": name, "--to-process": name, "--service": name, "--pid": strconv.Itoa(os.Getpid()), "--ip": "127.0.0.1", "--from-ip": "127.0.0.1",
	} {
		if got, _ := offers(t, "observe", flag, ""); !slices.Contains(got, want) {
			t.Errorf("%s: %q lacks %q", flag, got, want)
		}
	}
	if cgroupRoot() == "" {
		t.Skip("no cgroup2 is mounted")
	}
	got, directive := offers(t, "observe", "--cgroup", "")
	for _, p := range got {
		if st, err := os.Stat(filepath.Join(cgroupRoot(), p)); err != nil || !st.IsDir() || !strings.HasSuffix(p, "/") {
			t.Errorf("--cgroup %s is no directory: %v", p, err)
		}
	}
	if n, _ := strconv.Atoi(directive[1:]); cobra.ShellCompDirective(n)&cobra.ShellCompDirectiveNoSpace == 0 {
		t.Errorf("--cgroup: directive %s ends the word, and there may be more below", directive)
	}
}

func TestFilesAreCompletedByTheirEndings(t *testing.T) {
	got, directive := offers(t, "observe", "--read", "")
	if directive != ":8" || !slices.Contains(got, "pcap") || !slices.Contains(got, "sonde") {
		t.Errorf("%q, %s", got, directive)
	}
}

// shell runs a script in a real shell, with this program as sonde in its path.
func shell(t *testing.T, name, script string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "sonde")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-c", script)
	cmd.Dir = dir
	cmd.Env = []string{asSonde + "=1", "PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestBashCompletes(t *testing.T) {
	// _get_comp_words_by_ref is what bash-completion brings, for the machines without it.
	const script = `
[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion
declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() {
	cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
}
declare -F _filedir >/dev/null || _filedir() { COMPREPLY=(*.$1); }
compopt() { :; } # only a shell that waits for a key has it
. <(sonde completion bash)
complete -p sonde
ask() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9 COMPREPLY=()
	__start_sonde
	echo "$* => ${COMPREPLY[*]}"
}
ask sonde obs
ask sonde observe --protocol ht
ask sonde observe --group-by service,rou
ask sonde observe --protocol http,gr
ask sonde observe --protocol http --not --rol
touch a.pcap b.txt
ask sonde observe --read ''
`
	checkShell(t, shell(t, "bash", script), map[string]string{
		"sonde obs":                                 "observe",
		"sonde observe --protocol ht":               "http",
		"sonde observe --group-by service,rou":      "service,route",
		"sonde observe --protocol http,gr":          "http,grpc",
		"sonde observe --protocol http --not --rol": "--role",
		"sonde observe --read ":                     "a.pcap",
	})
}

func TestFishCompletes(t *testing.T) {
	const script = `
sonde completion fish | source
touch a.pcap b.txt
for line in 'sonde obs' 'sonde observe --protocol ht' 'sonde observe --group-by service,rou' 'sonde observe --protocol http --not --rol'
	echo "$line => "(complete -C "$line" | string replace -r '\t.*' '' | string join ' ')
end
`
	checkShell(t, shell(t, "fish", script), map[string]string{
		"sonde obs":                                 "observe",
		"sonde observe --protocol ht":               "http",
		"sonde observe --group-by service,rou":      "service,route",
		"sonde observe --protocol http --not --rol": "--role",
	})
}

func checkShell(t *testing.T, out string, want map[string]string) {
	t.Helper()
	for line, words := range want {
		if !strings.Contains(out, line+" => "+words) || strings.Contains(out, line+" => "+words+" b.txt") {
			t.Errorf("%q is not completed to %q:\n%s", line, words, out)
		}
	}
}

// TestZshCompletes types into a shell that waits for keys: zsh completes nowhere else.
func TestZshCompletes(t *testing.T) {
	const script = `
zmodload zsh/zpty || exit 1
sonde completion zsh >_sonde
zpty shell zsh -f -i
type() { zpty -w -n shell $1; }
until_seen() { local text line; for i in {1..100}; do zpty -r -t shell line && text+=$line; [[ $text == *$1* ]] && return; sleep 0.1; done; echo "lacks $1: $text"; }
type $'PROMPT=; RPROMPT=; autoload -U compinit; compinit -u; . ./_sonde; compdef _sonde sonde; echo rea""dy\n'
until_seen ready
type $'sonde observe --proto\t'
until_seen --protocol
type $'ht\t'
until_seen http
type $'\x15sonde observe --group-by service,rou\t'
until_seen service,route
zpty -d shell
`
	if out := shell(t, "zsh", script); strings.Contains(out, "lacks") {
		t.Errorf("zsh does not complete:\n%q", out)
	}
}
