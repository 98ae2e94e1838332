// SPDX-License-Identifier: Apache-2.0

package theme

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gdamore/tcell/v2"

	"sonde/tui/render"
)

var rich = Terminal{Colors: 1 << 24}

func TestFileChangesSingleRoles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "theme.json")
	text := `{"base": "light", "bad": {"fg": "#ff5f5f", "underline": true}, "frame": {"fg": "default", "bg": 4}, "good": {"fg": "Teal"}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	theme, err := For(path, rich)
	if err != nil {
		t.Fatal(err)
	}
	base := light(rich.Colors)
	want := base
	want[render.Bad] = Look{Fg: tcell.NewHexColor(0xff5f5f), Bold: true, Underline: true}
	want[render.Frame] = Look{Bg: tcell.PaletteColor(4)}
	want[render.Good] = Look{Fg: tcell.ColorTeal}
	if *theme != want {
		t.Errorf("theme\n%+v\nwant\n%+v", *theme, want)
	}
}

func TestMistakesInAFileAreNamedWithWhatIsAccepted(t *testing.T) {
	for text, want := range map[string]string{
		`{"bat": {}}`:                         `unknown key "bat": want base, accent, bad, dim, frame,`,
		`{"bad": {"colour": "red"}}`:          `bad: unknown key "colour": want fg, bg, bold, dim, underline, reverse`,
		`{"bad": {"fg": "reddish"}}`:          `bad: colour "reddish": want "#rrggbb", a name`,
		`{"bad": {"fg": "#12345"}}`:           `colour "#12345"`,
		`{"bad": {"fg": "#1234zz"}}`:          `colour "#1234zz"`,
		`{"bad": {"fg": 256}}`:                `colour 256`,
		`{"bad": {"fg": null}}`:               `colour null`,
		`{"bad": {"bold": "yes"}}`:            `bad: bold "yes": want true or false`,
		`{"bad": "red"}`:                      `bad: "red": want an object`,
		`{"base": "pink"}`:                    `base "pink": want "auto", "dark" or "light"`,
		`[]`:                                  `cannot unmarshal array`,
		`{`:                                   `unexpected end`,
		"{\"text\": {\"fg\": \"red\"}} trail": `invalid character`,
	} {
		if _, err := parse([]byte(text), rich); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := For(filepath.Join(t.TempDir(), "no.json"), rich); err == nil || !strings.Contains(err.Error(), "want auto, dark, light or the path") {
		t.Errorf("missing file: %v", err)
	}
}

func TestGroundIsReadFromTheTerminal(t *testing.T) {
	for fgbg, want := range map[string]Theme{
		"": dark(256), "15;0": dark(256), "0;15": light(256), "0;default;15": light(256), "0;7": light(256), "7;8": dark(256), "nonsense": dark(256),
	} {
		got, err := For("auto", Terminal{Colors: 256, ColorFGBG: fgbg})
		if err != nil || *got != want {
			t.Errorf("COLORFGBG=%q: another theme, error %v", fgbg, err)
		}
	}
}

func TestNoColourLeavesAttributesAlone(t *testing.T) {
	for _, name := range []string{"dark", "light", "auto"} {
		for _, terminal := range []Terminal{{Colors: 256, NoColor: true}, {Colors: 0}, {Colors: 2}} {
			theme, err := For(name, terminal)
			if err != nil {
				t.Fatal(err)
			}
			for role, look := range theme {
				if look.Fg != tcell.ColorDefault || look.Bg != tcell.ColorDefault {
					t.Errorf("%s, %+v: role %d has a colour", name, terminal, role)
				}
			}
		}
	}
}

// TestRolesThatMatterDiffer: whatever the terminal can show, these must not look like text, nor like each other.
func TestRolesThatMatterDiffer(t *testing.T) {
	for _, colors := range []int{0, 8, 16, 256, 1 << 24} {
		for _, name := range []string{"dark", "light"} {
			theme, err := For(name, Terminal{Colors: colors})
			if err != nil {
				t.Fatal(err)
			}
			for _, pair := range [][2]render.Style{
				{render.Text, render.Bad}, {render.Text, render.Warn}, {render.Text, render.Selected}, {render.Warn, render.Bad},
				{render.Text, render.Head}, {render.Text, render.Title}, {render.Selected, render.Bad}, {render.Text, render.Accent},
			} {
				if theme[pair[0]] == theme[pair[1]] {
					t.Errorf("%s with %d colours: roles %d and %d look the same", name, colors, pair[0], pair[1])
				}
			}
		}
	}
}

func TestSixteenColoursAreThoseOfThePalette(t *testing.T) {
	for _, theme := range []Theme{dark(16), light(16), dark(8)} {
		for role, look := range theme {
			for _, c := range []tcell.Color{look.Fg, look.Bg} {
				if c != tcell.ColorDefault && (c.IsRGB() || c > tcell.PaletteColor(15)) {
					t.Errorf("role %d: %v", role, c)
				}
			}
		}
	}
}

func TestEveryRoleHasANameInFiles(t *testing.T) {
	if len(roles) != int(render.StyleCount) {
		t.Errorf("%d names for %d roles", len(roles), render.StyleCount)
	}
}

func TestSequencesSuitTheTerminal(t *testing.T) {
	look := Look{Fg: tcell.NewHexColor(0xff0000), Bg: tcell.ColorNavy, Bold: true, Underline: true}
	for colors, want := range map[int]string{
		1 << 24: "\x1b[0;1;4;38;2;255;0;0;44m", 256: "\x1b[0;1;4;91;44m", 16: "\x1b[0;1;4;91;44m", 0: "\x1b[0;1;4m",
	} {
		if got := look.SGR(colors); got != want {
			t.Errorf("%d colours: %q, want %q", colors, got, want)
		}
	}
	if got := (Look{Fg: tcell.PaletteColor(208)}).SGR(256); got != "\x1b[0;38;5;208m" {
		t.Errorf("a colour of the palette: %q", got)
	}
}

// FuzzParse holds that no file makes the viewer panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"base":"dark","bad":{"fg":"#ff5f5f","bold":true}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if theme, err := parse(text, rich); err == nil {
			for role := range render.StyleCount {
				_ = theme.Style(role)
				_ = theme[role].SGR(256)
			}
		}
	})
}
