// SPDX-License-Identifier: Apache-2.0

package hooks

import "fmt"

// Flavour is which kind of hook the conn probes use.
type Flavour string

// The flavours. Auto takes the first that works; another one is used alone, so that a lack shows instead of being covered
// by the next best.
const (
	FlavourAuto       Flavour = "auto"
	FlavourFentry     Flavour = "fentry"
	FlavourKprobe     Flavour = "kprobe"
	FlavourTracepoint Flavour = "tracepoint"
)

// TC is how packets at interfaces are counted.
type TC string

// The ways. Auto takes TCX where the kernel has it.
const (
	TCAuto   TC = "auto"
	TCTCX    TC = "tcx"
	TCClsact TC = "clsact"
	TCOff    TC = "off"
)

// Config is what a user may ask for. The zero value is auto in everything.
type Config struct {
	Flavour Flavour
	TC      TC
}

// Default returns auto in everything.
func Default() Config { return Config{Flavour: FlavourAuto, TC: TCAuto} }

// Validate returns an error that lists the allowed values.
func (c Config) Validate() error {
	switch c.Flavour {
	case "", FlavourAuto, FlavourFentry, FlavourKprobe, FlavourTracepoint:
	default:
		return fmt.Errorf("hook flavour %q: want auto, fentry, kprobe or tracepoint", c.Flavour)
	}
	switch c.TC {
	case "", TCAuto, TCTCX, TCClsact, TCOff:
		return nil
	}
	return fmt.Errorf("tc %q: want auto, tcx, clsact or off", c.TC)
}

// excludes is the reason when only hooks of another kind are wanted.
func (c Config) excludes(kind Kind) error {
	wanted := map[Flavour]Kind{FlavourFentry: Fentry, FlavourKprobe: Kprobe, FlavourTracepoint: RawTracepoint}[c.Flavour]
	if wanted == "" || wanted == kind {
		return nil
	}
	return fmt.Errorf("flavour %s is asked for", c.Flavour)
}
