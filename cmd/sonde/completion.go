// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sonde/agent/filter"
	"sonde/exporters/summary"
)

// completer returns the words that a shell offers for a flag, with a description behind a tab where there is one, most likely
// ones first. word is what was typed of it, which directories go by; the words need not begin with it.
type completer func(word string) []string

// completers has the flags whose values are known, whatever the command.
var completers = map[string]completer{
	"color":     oneOf("auto", "always", "never"),
	"hooks":     oneOf("auto", "fentry", "kprobe", "tracepoint"),
	"tc":        oneOf("auto", "tcx", "clsact", "off"),
	"history":   oneOf(historyOnDemand, historyAlways),
	"causes":    oneOf(string(causesAuto), string(causesOn), string(causesOff)),
	"interface": func(string) []string { return interfaceNames() },
	"cgroup":    cgroupPaths,
	"group-by":  func(string) []string { return groupKeys() },
	"since":     oneOf("1m", "5m", "1h"),
	"duration":  oneOf("10s", "1m", "10m"),
	"interval":  oneOf("1s", "5s", "1m"),
	"max-size":  oneOf("100M", "1G"),
	"ring-size": oneOf("1048576", "4194304", "16777216"),
}

// commandCompleters has those that mean something else elsewhere.
var commandCompleters = map[string]completer{
	"observe output": oneOf("compact", "table", "json"),
	"doctor output":  oneOf("text", "json"),
	"observe sort":   func(string) []string { return summary.SortKeys() },
}

// numbers are flags that no word can be offered for, and neither can a file.
var numbers = []string{"last", "limit", "top"}

// readable are the endings of files that --read takes.
var readable = []string{"sonde", "pcap", "pcapng", "cap", "gz", "zst"}

// completeFlags lets shells complete the values of flags, of root's command and of all below it. Call it when they are complete.
func completeFlags(root *cobra.Command) {
	for _, c := range root.Commands() {
		completeFlags(c)
	}
	if root.ValidArgsFunction == nil && root.HasParent() && !root.HasSubCommands() {
		root.ValidArgsFunction = cobra.NoFileCompletions
	}
	for name, words := range completers {
		complete(root, name, words, slices.Contains([]string{"group-by", "interface"}, name))
	}
	for name, words := range commandCompleters {
		if command, flag, _ := strings.Cut(name, " "); command == root.Name() {
			complete(root, flag, words, false)
		}
	}
	for _, name := range numbers {
		complete(root, name, oneOf(), false)
	}
	for _, f := range filter.Flags() {
		complete(root, f.Name, func(string) []string { return filter.Values(f.Name, ofThisMachine) }, f.Name != "http-path" && f.Name != "text")
	}
	if root.Flags().Lookup("read") != nil {
		_ = root.RegisterFlagCompletionFunc("read", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return readable, cobra.ShellCompDirectiveFilterFileExt
		}) // fails for a flag that has one already: it knows better
	}
}

// complete registers words for a flag, if the command has it. Of a list, the last value after a comma is completed.
func complete(cmd *cobra.Command, flag string, words completer, list bool) {
	if cmd.Flags().Lookup(flag) == nil {
		return
	}
	_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		given := ""
		if i := strings.LastIndexByte(word, ','); list && i >= 0 {
			given, word = word[:i+1], word[i+1:]
		}
		var out []string
		for _, w := range words(word) {
			value, _, _ := strings.Cut(w, "\t")
			if hasPrefixFold(value, word) && !slices.Contains(strings.Split(given, ","), value) {
				out = append(out, given+w)
			}
		}
		directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		if flag == "cgroup" {
			directive |= cobra.ShellCompDirectiveNoSpace // there may be more below it
		}
		return out, directive
	})
}

// bashScript writes the script for bash so that it completes lists: cobra's quotes commas, which mean nothing to bash outside of
// braces, and then finds that nothing fits what was typed.
func bashScript(root *cobra.Command, descriptions bool) (string, error) {
	var b strings.Builder
	if err := root.GenBashCompletionV2(&b, descriptions); err != nil {
		return "", err
	}
	lines := strings.SplitAfter(b.String(), "\n")
	for i, line := range lines {
		for _, variable := range []string{"comp", "COMPREPLY[0]"} {
			indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
			if strings.Contains(line, variable+`=$(printf "%q"`) {
				lines[i] += indent + variable + "=${" + variable + `//\\,/,}` + "\n"
			}
		}
	}
	return strings.Join(lines, ""), nil
}

// completionCommand sets cobra's command for scripts right.
func completionCommand(root *cobra.Command, out io.Writer) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	completion.Args = someShell
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	bash, _, err := completion.Find([]string{"bash"})
	if err != nil || bash == completion {
		return
	}
	bash.RunE = func(cmd *cobra.Command, _ []string) error {
		plain, err := cmd.Flags().GetBool("no-descriptions")
		if err != nil {
			return err
		}
		script, err := bashScript(root, !plain)
		if err != nil {
			return err
		}
		_, err = io.WriteString(out, script)
		return err
	}
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func oneOf(words ...string) completer { return func(string) []string { return words } }

func groupKeys() []string {
	var out []string
	for _, k := range summary.Keys() {
		out = append(out, k.Name+"\t"+k.Usage)
	}
	return out
}
