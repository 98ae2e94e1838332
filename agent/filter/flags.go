// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Flag describes a filter flag for help texts.
type Flag struct {
	Name    string // without the dashes
	Accepts string // what values are understood
	Usage   string // what is looked at
}

// Flags lists the flags that Arguments.Set takes, in the order to show them. "not" is not among them: it has no value.
func Flags() []Flag { return append([]Flag(nil), flags[:]...) }

// Arguments collects filter flags in the order of the command line, on which --not depends. The zero value is ready.
// It is for one goroutine.
type Arguments struct {
	config Config
	not    bool
}

// Not turns the next filter, and that alone, into an exclusion.
func (a *Arguments) Not() error {
	if a.not {
		return errors.New("--not twice in a row: each reverses the one filter after it")
	}
	a.not = true
	return nil
}

// Set adds a value of the named flag. Several values may be given with commas between them, except to http-path, where
// a comma belongs to the expression. What cannot be converted is refused here, the rest by Compile.
func (a *Arguments) Set(name, value string) error {
	side := &a.config.Allow
	if a.not {
		side = &a.config.Deny
	}
	a.not = false
	for k := range kindCount {
		if flags[k].Name != name {
			continue
		}
		if k == kindHTTPPath {
			return side.set(k, value)
		}
		var errs []error
		for one := range strings.SplitSeq(value, ",") {
			errs = append(errs, side.set(k, strings.TrimSpace(one)))
		}
		return errors.Join(errs...)
	}
	return fmt.Errorf("--%s is no filter", name)
}

// Config returns what was collected. A --not that no filter follows is an error.
func (a *Arguments) Config() (Config, error) {
	if a.not {
		return Config{}, errors.New("--not is not followed by a filter: put it before the one to reverse")
	}
	return a.config, nil
}

func (t *Terms) set(k kind, value string) error {
	switch k {
	case kindPort:
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n == 0 {
			return reject(k, value)
		}
		t.Ports = append(t.Ports, uint16(n))
	case kindPID:
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil || n == 0 {
			return reject(k, value)
		}
		t.PIDs = append(t.PIDs, uint32(n))
	case kindIP:
		p, err := ParseIP(value)
		if err != nil {
			return err
		}
		t.IPs = append(t.IPs, p)
	default:
		words := t.words(k)
		*words = append(*words, value)
	}
	return nil
}

// words returns the slice of a kind that is kept as it was written.
func (t *Terms) words(k kind) *[]string {
	return map[kind]*[]string{
		kindProtocol: &t.Protocols, kindProcess: &t.Processes, kindHTTPStatus: &t.HTTPStatuses,
		kindHTTPMethod: &t.HTTPMethods, kindHTTPPath: &t.HTTPPaths, kindType: &t.Types, kindRole: &t.Roles,
		kindOutcome: &t.Outcomes,
	}[k]
}
