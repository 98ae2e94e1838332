// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"sonde/testbed/reviewed"
)

func TestScreenIsReadWithItsLooks(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want look // of the cell with the x
	}{
		"nothing":               {"x", plainLook},
		"sixteen colours":       {"\x1b[31;42mx", look{fg: 1, bg: 2}},
		"bright ones":           {"\x1b[91;102mx", look{fg: 9, bg: 10}},
		"256":                   {"\x1b[38;5;208;48;5;16mx", look{fg: 208, bg: 16}},
		"true colour":           {"\x1b[38;2;1;2;255mx", look{fg: rgb | 0x0102ff, bg: plain}},
		"colons":                {"\x1b[38:2::1:2:255;48:5:7mx", look{fg: rgb | 0x0102ff, bg: 7}},
		"attributes":            {"\x1b[1;2;3;4;7;9mx", look{plain, plain, true, true, true, true, true, true}},
		"curly underline":       {"\x1b[4:3mx", look{fg: plain, bg: plain, underline: true}},
		"attributes taken back": {"\x1b[1;2;3;4;7;9;31m\x1b[22;23;24;27;29;39mx", plainLook},
		"reset":                 {"\x1b[1;31;42m\x1b[mx", plainLook},
		"carried to a new line": {"\x1b[31m\nx", look{fg: 1, bg: plain}},
	} {
		lines, err := parseScreen(c.in + "\n")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		row := lines[len(lines)-1]
		if len(row) != 1 || row[0] != (cell{"x", c.want}) {
			t.Errorf("%s: %+v, want %+v", name, row, c.want)
		}
	}
}

func TestCellsAreThoseOfTheTerminal(t *testing.T) {
	lines, err := parseScreen("a日é\u0301\n\x0eqx\x0fq\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range lines {
		var texts []string
		for _, c := range row {
			texts = append(texts, c.text)
		}
		got = append(got, strings.Join(texts, "|"))
	}
	if want := "a|日||é\u0301 ─|│|q"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWhatIsNoLookIsRefused(t *testing.T) {
	for _, in := range []string{"\x1b[2J", "\x1b[31", "\x1b]0;title\a", "\x1b[38;5m", "\x1b[38;2;1;2;300m", "\x1b[38;7;1mx", "\x1b[xm", "a\tb"} {
		if lines, err := parseScreen(in); err == nil {
			t.Errorf("%q is read as %v", in, lines)
		}
	}
}

func TestColoursOfThePaletteAreThoseOfXterm(t *testing.T) {
	for c, want := range map[int32]int32{plain: 0x123456, 0: basic[0], 15: basic[15], 16: 0, 21: 0x0000ff, 208: 0xff8700, 231: 0xffffff,
		232: 0x080808, 255: 0xeeeeee, rgb | 0x0a0b0c: 0x0a0b0c} {
		if got := colour(c, 0x123456); got != want {
			t.Errorf("colour %d is #%06x, want #%06x", c, got, want)
		}
	}
	if fg, bg := (look{fg: rgb | 0xffffff, bg: rgb, turn: true}).colours(); fg != 0 || bg != 0xffffff {
		t.Errorf("reverse gives #%06x on #%06x", fg, bg)
	}
	if fg, _ := (look{fg: rgb | 0xffffff, bg: rgb, dim: true}).colours(); fg != 0x8c8c8c {
		t.Errorf("dim white on black is #%06x", fg)
	}
}

const sample = "\x1b[1m SERVICE   REQ/S\x1b[0m\n" +
	"\x1b[7m gateway    1.2 <&> \x1b[27m\x1b[38;5;208m▁▄█\x1b[39m \x1b[2m日本\x1b[0m  x y  z\n" +
	"┌──┬─┐ ▌\x1b[31m━━ a\x1b[0m\n" +
	"│  └─┘\n"

func TestPictureIsTheSameForTheSameScreen(t *testing.T) {
	lines, err := parseScreen(sample)
	if err != nil {
		t.Fatal(err)
	}
	got := svg("a <sample>", 40, lines)
	wellFormed(t, got)
	const golden = "testdata/sample.svg"
	reviewed.Compare(t, golden, got)
}

// wellFormed reads text as XML to its end.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, text)
		}
	}
}
