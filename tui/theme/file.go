// SPDX-License-Identifier: Apache-2.0

package theme

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gdamore/tcell/v2"
)

// mostBytes is more than a theme needs.
const mostBytes = 64 << 10

// load reads a file: {"base": "dark", "bad": {"fg": "#ff5f5f", "bold": true}}. What a role does not name it keeps.
func load(path string, t Terminal) (Theme, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Theme{}, fmt.Errorf("theme %q: want auto, dark, light or the path of a JSON file", path)
	}
	if err != nil {
		return Theme{}, fmt.Errorf("theme: %w", err)
	}
	if len(text) > mostBytes {
		return Theme{}, fmt.Errorf("theme %s: %d bytes, want %d at most", path, len(text), mostBytes)
	}
	theme, err := parse(text, t)
	if err != nil {
		return Theme{}, fmt.Errorf("theme %s: %w", path, err)
	}
	return theme, nil
}

func parse(text []byte, t Terminal) (Theme, error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return Theme{}, err
	}
	base := "auto"
	if raw, ok := entries["base"]; ok {
		if err := json.Unmarshal(raw, &base); err != nil || !slices.Contains([]string{"auto", "dark", "light"}, base) {
			return Theme{}, fmt.Errorf("base %s: want \"auto\", \"dark\" or \"light\"", raw)
		}
		delete(entries, "base")
	}
	theme := builtin(base, t)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		role, ok := roles[name]
		if !ok {
			return Theme{}, fmt.Errorf("unknown key %q: want base, %s", name, strings.Join(slices.Sorted(maps.Keys(roles)), ", "))
		}
		if err := theme[role].change(entries[name]); err != nil {
			return Theme{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return theme, nil
}

// change applies the keys of one role.
func (l *Look) change(raw json.RawMessage) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return fmt.Errorf("%s: want an object with fg, bg, bold, dim, underline, reverse", raw)
	}
	flags := map[string]*bool{"bold": &l.Bold, "dim": &l.Dim, "underline": &l.Underline, "reverse": &l.Reverse}
	colors := map[string]*tcell.Color{"fg": &l.Fg, "bg": &l.Bg}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		var err error
		switch {
		case flags[name] != nil:
			if json.Unmarshal(keys[name], flags[name]) != nil {
				err = fmt.Errorf("%s %s: want true or false", name, keys[name])
			}
		case colors[name] != nil:
			*colors[name], err = color(keys[name])
		default:
			err = fmt.Errorf("unknown key %q: want fg, bg, bold, dim, underline, reverse", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// color understands "#rrggbb", the names of CSS, "default", and the numbers of the palette.
func color(raw json.RawMessage) (tcell.Color, error) {
	var name string
	var number int
	if string(raw) != "null" && json.Unmarshal(raw, &number) == nil && number >= 0 && number < 256 {
		return tcell.PaletteColor(number), nil
	}
	if json.Unmarshal(raw, &name) == nil {
		name = strings.ToLower(name)
		if name == "default" {
			return tcell.ColorDefault, nil
		}
		if hex, found := strings.CutPrefix(name, "#"); found && len(hex) == 6 {
			if v, err := strconv.ParseUint(hex, 16, 24); err == nil {
				return tcell.NewHexColor(int32(v)), nil
			}
		}
		if c, ok := tcell.ColorNames[name]; ok {
			return c, nil
		}
	}
	return 0, fmt.Errorf("colour %s: want \"#rrggbb\", a name as in CSS (\"red\"), \"default\", or a number of the palette (0 to 255)", raw)
}
