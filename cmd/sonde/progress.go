// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// progress is a line on stderr that is written over and over while something takes long. Where stderr is no terminal it
// says nothing. It is for one goroutine.
type progress struct {
	out   io.Writer // nil: says nothing
	last  time.Time
	shown bool
}

// progressInterval is the time between two lines.
const progressInterval = 500 * time.Millisecond

func newProgress(e env, quiet bool) *progress {
	p := &progress{last: time.Now()}
	if f, ok := e.stderr.(*os.File); ok && !quiet {
		if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
			p.out = f
		}
	}
	return p
}

// show writes the line, when the last is old enough; text is called only then.
func (p *progress) show(text func() string) {
	if p.out == nil || time.Since(p.last) < progressInterval {
		return
	}
	p.last, p.shown = time.Now(), true
	fmt.Fprintf(p.out, "\r\x1b[Ksonde: %s", text())
}

// done removes the line.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
