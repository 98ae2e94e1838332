// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
)

// look is how a cell is written. Colours are indices into the palette of 256, or rgb plus 24 bits, or one of the two below.
type look struct {
	fg, bg                  int32
	bold, dim, italic       bool
	underline, strike, turn bool // turn: foreground and background change places
}

const (
	plain int32 = -1 // the colour that text has where nobody asks for one
	rgb   int32 = 1 << 24
)

var plainLook = look{fg: plain, bg: plain}

// cell is one cell of the screen. The second half of a wide character has no text.
type cell struct {
	text string
	look look
}

// parseScreen reads lines with SGR sequences, as a terminal's contents are written by tmux: looks go on from line to line, and
// nothing moves the cursor. An escape sequence that is not SGR is an error: the picture would not be what was on the screen.
func parseScreen(text string) ([][]cell, error) {
	var lines [][]cell
	now, drawing := plainLook, false
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		var row []cell
		for line != "" {
			switch {
			case strings.HasPrefix(line, "\x1b["):
				end := strings.IndexFunc(line[2:], func(r rune) bool { return r >= '@' && r <= '~' })
				if end < 0 || line[2+end] != 'm' {
					return nil, fmt.Errorf("line %d: sequence %.20q is not about looks", n+1, line)
				}
				if err := now.apply(line[2 : 2+end]); err != nil {
					return nil, fmt.Errorf("line %d: %w", n+1, err)
				}
				line = line[2+end+1:]
			case line[0] == '\x0e' || line[0] == '\x0f': // shift to the line drawing set and back
				drawing, line = line[0] == '\x0e', line[1:]
			case line[0] < ' ' || line[0] == 0x7f:
				return nil, fmt.Errorf("line %d: control character %.5q", n+1, line)
			default:
				cluster, rest, width, _ := uniseg.FirstGraphemeClusterInString(line, -1)
				line = rest
				if drawing {
					cluster = lineDrawing(cluster)
				}
				row = append(row, cell{cluster, now})
				for range width - 1 {
					row = append(row, cell{"", now})
				}
			}
		}
		lines = append(lines, row)
	}
	return lines, nil
}

// lineDrawing is the DEC special character set, as far as boxes are drawn with it.
func lineDrawing(s string) string {
	const dec, box = "jklmnqtuvwxa", "┘┐┌└┼─├┤┴┬│▒"
	if i := strings.Index(dec, s); i >= 0 && len(s) == 1 {
		return string([]rune(box)[i])
	}
	return s
}

// apply changes a look by the parameters of an SGR sequence (ECMA-48 8.3.117, and the colours of xterm).
func (l *look) apply(params string) error {
	fields := strings.FieldsFunc(params, func(r rune) bool { return r == ';' })
	if params == "" {
		fields = []string{"0"}
	}
	for len(fields) > 0 {
		p, err := strconv.Atoi(strings.TrimSuffix(before(fields[0]), " "))
		if err != nil {
			return fmt.Errorf("SGR %q: %w", params, err)
		}
		used := 1
		switch {
		case p == 38 || p == 48:
			colour, n, err := extended(fields)
			if err != nil {
				return fmt.Errorf("SGR %q: %w", params, err)
			}
			used = n
			if p == 38 {
				l.fg = colour
			} else {
				l.bg = colour
			}
		case p >= 30 && p <= 37:
			l.fg = int32(p - 30)
		case p >= 90 && p <= 97:
			l.fg = int32(p - 90 + 8)
		case p >= 40 && p <= 47:
			l.bg = int32(p - 40)
		case p >= 100 && p <= 107:
			l.bg = int32(p - 100 + 8)
		default:
			l.attribute(p)
		}
		fields = fields[used:]
	}
	return nil
}

// before is a parameter without its own parameters: "4:3" is a kind of underline.
func before(field string) string {
	s, _, _ := strings.Cut(field, ":")
	return s
}

func (l *look) attribute(p int) {
	switch p {
	case 0:
		*l = plainLook
	case 1:
		l.bold = true
	case 2:
		l.dim = true
	case 3:
		l.italic = true
	case 4, 21:
		l.underline = true
	case 7:
		l.turn = true
	case 9:
		l.strike = true
	case 22:
		l.bold, l.dim = false, false
	case 23:
		l.italic = false
	case 24:
		l.underline = false
	case 27:
		l.turn = false
	case 29:
		l.strike = false
	case 39:
		l.fg = plain
	case 49:
		l.bg = plain
	}
}

// extended reads 38;5;N, 38;2;R;G;B and the same with colons. It returns how many fields that took.
func extended(fields []string) (colour int32, used int, err error) {
	parts, colons := strings.Split(fields[0], ":"), strings.Contains(fields[0], ":")
	if !colons {
		parts = fields
	}
	var n [4]int
	want := 0
	switch {
	case len(parts) >= 3 && parts[1] == "5":
		want = 1
	case len(parts) >= 5 && parts[1] == "2":
		want = 3
	default:
		return 0, 0, fmt.Errorf("no colour in %v", parts)
	}
	from := 2
	if colons && want == 3 && len(parts) == 6 {
		from = 3 // behind the colour space
	}
	for i := range want {
		if n[i], err = strconv.Atoi(parts[from+i]); err != nil || n[i] < 0 || n[i] > 255 {
			return 0, 0, fmt.Errorf("no colour in %v", parts)
		}
	}
	colour, used = int32(n[0]), 3
	if want == 3 {
		colour, used = rgb|int32(n[0])<<16|int32(n[1])<<8|int32(n[2]), 5
	}
	if colons {
		used = 1
	}
	return colour, used, nil
}
