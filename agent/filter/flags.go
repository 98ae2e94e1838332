// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"strings"
)

var errNotTwice = errors.New("--not twice in a row: each reverses the one filter after it")

// Flags lists the flags that Arguments.Set takes, in the order to show them. "not" is not among them: it has no value.
func Flags() []Flag {
	out := make([]Flag, 0, kindCount)
	for k := range kindCount {
		f := flags[k].Flag
		if f.Like == "" {
			f.Like = f.Name
		}
		out = append(out, f)
	}
	return out
}

// Arguments collects filter flags in the order of the command line, on which --not depends. The zero value is ready.
// It is for one goroutine.
type Arguments struct {
	config Config
	not    bool
	twice  bool // --not was given twice in a row
}

// Not turns the next filter, and that alone, into an exclusion.
func (a *Arguments) Not() {
	a.twice = a.twice || a.not
	a.not = true
}

// Set adds a value of the named flag. Several values may be given with commas between them, except to http-path and text, where
// a comma belongs to the value. What cannot be converted is refused here, the rest by Compile.
func (a *Arguments) Set(name, value string) error {
	side := &a.config.Allow
	if a.not {
		side = &a.config.Deny
	}
	a.not = false
	k, ok := kindOf(name)
	if !ok {
		return fmt.Errorf("--%s is no filter", name)
	}
	return side.set(k, value)
}

// Config returns what was collected. A --not that no filter follows is an error.
func (a *Arguments) Config() (Config, error) {
	switch {
	case a.twice:
		return Config{}, errNotTwice
	case a.not:
		return Config{}, errors.New("--not is not followed by a filter: put it before the one to reverse")
	}
	return a.config, nil
}

// set adds the values that are written in one argument.
func (t *Terms) set(k kind, value string) error {
	if flags[k].whole {
		return t.add(k, value)
	}
	var errs []error
	for one := range strings.SplitSeq(value, ",") {
		errs = append(errs, t.add(k, strings.TrimSpace(one)))
	}
	return errors.Join(errs...)
}

func (t *Terms) add(k kind, value string) error {
	if !flags[k].add(t, value) {
		return reject(k, value)
	}
	return nil
}
