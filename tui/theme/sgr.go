// SPDX-License-Identifier: Apache-2.0

package theme

import (
	"strconv"
	"strings"

	"github.com/gdamore/tcell/v2"
)

// Paints says whether a blank in this look can be seen.
func (l Look) Paints() bool { return l.Bg != tcell.ColorDefault || l.Reverse || l.Underline }

// SGR is the sequence that sets the look and ends any other (ECMA-48 8.3.117), for a terminal of so many colours.
func (l Look) SGR(colors int) string {
	codes := []string{"0"}
	for _, attribute := range []struct {
		on   bool
		code string
	}{{l.Bold, "1"}, {l.Dim, "2"}, {l.Underline, "4"}, {l.Reverse, "7"}} {
		if attribute.on {
			codes = append(codes, attribute.code)
		}
	}
	codes = append(codes, colorCodes(l.Fg, 30, colors)...)
	codes = append(codes, colorCodes(l.Bg, 40, colors)...)
	return "\x1b[" + strings.Join(codes, ";") + "m"
}

// colorCodes selects a colour; base is 30 for the foreground, 40 for the ground.
func colorCodes(c tcell.Color, base, colors int) []string {
	if c == tcell.ColorDefault || colors < 8 {
		return nil
	}
	if c.IsRGB() && colors > 256 {
		r, g, b := c.RGB()
		return []string{strconv.Itoa(base + 8), "2", strconv.Itoa(int(r)), strconv.Itoa(int(g)), strconv.Itoa(int(b))}
	}
	n := index(c, colors)
	switch {
	case n < 8:
		return []string{strconv.Itoa(base + n)}
	case n < 16:
		return []string{strconv.Itoa(base + 60 + n - 8)}
	default:
		return []string{strconv.Itoa(base + 8), "5", strconv.Itoa(n)}
	}
}

// index is the colour of the palette that is nearest to c.
func index(c tcell.Color, colors int) int {
	colors = min(colors, 256)
	if n := int(c &^ tcell.ColorValid); !c.IsRGB() && n < colors {
		return n
	}
	palette := make([]tcell.Color, colors)
	for i := range palette {
		palette[i] = tcell.PaletteColor(i)
	}
	return int(tcell.FindColor(c, palette) &^ tcell.ColorValid)
}
