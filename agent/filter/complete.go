// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"slices"
	"strings"
)

// Completion is a candidate for the word at the cursor of a line.
type Completion struct {
	Text     string // to put between From and To; quoted where it must be. The blank behind it is the caller's
	From, To int    // of the line, in bytes
	Usage    string // what it means, "" for values that speak for themselves
}

// Complete returns the candidates for the word at the cursor, which is an offset in bytes: flags, and values of the flag before
// it. values gives what the traffic has for a flag, most frequent first, and is asked for Flag.Like, so never for "to-port"; it
// may be nil. The order is that of the flags, that of values, or alphabetical where a list is closed.
//
// A bare word is a text to search for, which nothing can be said of; it is completed to flags that begin with it.
func Complete(line string, cursor int, values func(flag string) []string) []Completion {
	cursor = min(max(cursor, 0), len(line))
	tokens, err := split(line[:cursor]) // the error is a quote that the user is still writing
	at := token{from: cursor, to: cursor}
	if n := len(tokens); n > 0 && (err != nil || tokens[n-1].to == cursor) {
		at, tokens = tokens[n-1], tokens[:n-1]
		if _, at.to, err = word(line, at.from); err != nil { // the whole word is replaced, wherever in it the cursor is
			at.to = len(line)
		}
	}
	reversed := false
	if n := len(tokens); n > 0 {
		if k, ok := valueWanted(tokens); ok {
			return completeValue(k, at, values)
		}
		reversed = tokens[n-1].text == "--not"
	}
	if name, value, ok := strings.Cut(at.text, "="); ok && strings.HasPrefix(name, "--") {
		k, known := kindOf(name[2:])
		if !known {
			return nil
		}
		at.from += strings.IndexByte(line[at.from:], '=') + 1
		at.text = value
		return completeValue(k, at, values)
	}
	return completeFlag(at, reversed)
}

// valueWanted tells whether the last token is a flag that waits for its value, and not itself the value of one.
func valueWanted(tokens []token) (kind, bool) {
	for i := 0; i < len(tokens); i++ {
		name, ok := strings.CutPrefix(tokens[i].text, "--")
		if !ok || name == "not" || strings.Contains(name, "=") {
			continue
		}
		k, known := kindOf(name)
		if i++; i == len(tokens) {
			return k, known
		}
	}
	return 0, false
}

func completeFlag(at token, reversed bool) []Completion {
	var out []Completion
	offer := func(name, usage string) {
		if strings.HasPrefix(name, strings.TrimLeft(at.text, "-")) {
			out = append(out, Completion{"--" + name, at.from, at.to, usage})
		}
	}
	for k := range kindCount {
		offer(flags[k].Name, flags[k].Usage)
	}
	if !reversed {
		offer("not", "turn the next filter around")
	}
	return out
}

// completeValue offers values for the last of a list with commas.
func completeValue(k kind, at token, values func(string) []string) []Completion {
	given, last := "", at.text
	if i := strings.LastIndexByte(at.text, ','); i >= 0 && !flags[k].whole {
		given, last = at.text[:i+1], at.text[i+1:]
	}
	var out []Completion
	for _, v := range Values(flags[k].Name, values) {
		if len(v) < len(last) || !strings.EqualFold(v[:len(last)], last) || given != "" && contains(given, v) {
			continue
		}
		out = append(out, Completion{quoted(given + v), at.from, at.to, ""})
	}
	return out
}

func contains(list, value string) bool { return slices.Contains(strings.Split(list, ","), value) }

// Values returns what can be suggested for a flag: what the traffic has, as in Complete, then Flag.Values.
func Values(flag string, values func(like string) []string) []string {
	k, ok := kindOf(flag)
	if !ok {
		return nil
	}
	f := &flags[k]
	like := f.Like
	if like == "" {
		like = f.Name
	}
	var out []string
	if closedList := f.Values != nil && f.Accepts == strings.Join(f.Values, ", "); !closedList && values != nil {
		out = slices.Clone(values(like))
	}
	for _, v := range f.Values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
