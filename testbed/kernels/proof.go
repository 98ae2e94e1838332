// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Proof is a run over kernels.
type Proof struct {
	Kernels  []Kernel
	Root     string // the directory of go.mod
	Refresh  bool   // look for newer packages
	Options  Options
	Progress io.Writer
}

// Run runs the tests on one kernel after the other: two emulated machines at once are slower than one after the other. The error
// is about what comes before the machines; what happened in them is in the results.
func (p *Proof) Run(ctx context.Context) ([]*Result, error) {
	began := time.Now()
	cache, err := NewCache()
	if err != nil {
		return nil, err
	}
	payload, err := BuildPayload(p.Root)
	if err != nil {
		return nil, err
	}
	defer payload.Close()
	p.say("built in %s", time.Since(began).Round(time.Second))
	var results []*Result
	for _, k := range p.Kernels {
		began := time.Now()
		im, err := cache.Image(k, payload.Boot, p.Refresh)
		if err != nil {
			return nil, err
		}
		p.say("%s: booting %s", k.Name, im.Release)
		r := newResult(im)
		console, err := im.Run(ctx, payload, p.Options, func(e Event) {
			r.take(e)
			p.progress(k, e)
		})
		r.Err, r.Complain, r.Took = err, console.Complaints(), time.Since(began)
		results = append(results, r)
		p.say("%s: %s", k.Name, r.Took.Round(time.Second))
	}
	return results, nil
}

// progress shows the ends of tests and flavours, not those of their parts.
func (p *Proof) progress(k Kernel, e Event) {
	if e.Test == "" || strings.Count(e.Test, "/") > 1 {
		return
	}
	switch e.Action {
	case "pass", "fail", "skip":
		p.say("%s: %s %s (%.1fs there)", k.Name, e.Action, e.Test, e.Elapsed)
	}
}

func (p *Proof) say(format string, args ...any) { fmt.Fprintf(p.Progress, format+"\n", args...) }
