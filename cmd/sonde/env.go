// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// env is what a command sees of the world; tests replace it.
type env struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	terminal       bool // stdout is one
	width          int  // of the terminal in columns, 0 when unknown
}

func processEnv() env {
	e := env{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	if size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ); err == nil {
		e.terminal, e.width = true, int(size.Col)
	}
	return e
}

// colour says whether to colour: only on a terminal, and not against the user's will (no-color.org).
func (e env) colour() bool {
	return e.terminal && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}
