// SPDX-License-Identifier: Apache-2.0

package text

import "sonde/agent/model"

// colour is an ANSI SGR sequence of the sixteen colours that every terminal and theme has; "" is the terminal's own.
type colour string

const (
	plain  colour = ""
	dim    colour = "\x1b[2m"
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
	cyan   colour = "\x1b[36m"
	alarm  colour = "\x1b[1;41;97m" // bold white on red: a loss must not be scrolled past
	reset  colour = "\x1b[0m"
)

// begin and end put b between a colour and the terminal's own, if colours are wanted.
func (w *Writer) begin(b []byte, c colour) []byte {
	if !w.config.Colour {
		return b
	}
	return append(b, c...)
}

func (w *Writer) end(b []byte, c colour) []byte {
	if !w.config.Colour || c == plain {
		return b
	}
	return append(b, reset...)
}

func requestColour(r *model.Request) colour {
	if r.Outcome == model.OutcomeIncomplete {
		return yellow
	}
	if r.HTTP != nil && r.HTTP.Status != 0 && r.RPC == nil {
		switch r.HTTP.Status / 100 {
		case 1:
			return plain
		case 2:
			return green
		case 3:
			return cyan
		case 4:
			return yellow
		}
		return red
	}
	switch {
	case r.Outcome == model.OutcomeError:
		return red
	case hasStatus(r):
		return green
	}
	return plain
}

func flowColour(s model.FlowState) colour {
	switch s {
	case model.FlowReset, model.FlowRefused, model.FlowTimedOut, model.FlowFailed:
		return red
	}
	return plain
}
