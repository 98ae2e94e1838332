// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Proof is a run over kernels.
type Proof struct {
	Kernels  []Kernel
	Root     string // the directory of go.mod
	Refresh  bool   // look for newer packages
	Parallel int    // machines at once; the verifier, which takes most of the time, keeps one processor of each busy
	Options  Options
	Progress io.Writer
}

// Run runs the tests on every kernel. The error is about what comes before the machines; what happened in them is in the results.
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
	results := make([]*Result, len(p.Kernels))
	var all sync.WaitGroup
	free := make(chan struct{}, max(1, p.Parallel))
	for i, k := range p.Kernels {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			began := time.Now()
			r := p.one(ctx, cache, payload, k)
			r.Took = time.Since(began)
			results[i] = r
			p.say("%s: %s", k.Name, r.Took.Round(time.Second))
		})
	}
	all.Wait()
	return results, nil
}

func (p *Proof) one(ctx context.Context, cache *Cache, payload *Payload, k Kernel) *Result {
	im, err := cache.Image(k, payload.Boot, p.Refresh)
	if err != nil {
		r := newResult(&Image{Kernel: k})
		r.Err = err
		return r
	}
	p.say("%s: booting %s", k.Name, im.Release)
	r := newResult(im)
	r.Partial = p.Options.Run != ""
	console, err := im.Run(ctx, payload, p.Options, func(e Event) {
		r.take(e)
		p.progress(k, e)
	})
	r.Err, r.Complain = err, console.Complaints()
	return r
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
