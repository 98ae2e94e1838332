// SPDX-License-Identifier: Apache-2.0

// Package theme gives the roles of tui/render their looks: colours for terminals that have some, attributes for those without.
//
// Dark and light ones are built in, a file may change single roles. It draws nothing and does not look at the terminal itself.
// Called by tui.
package theme

import (
	"strings"

	"github.com/gdamore/tcell/v2"

	"sonde/tui/render"
)

// Look is how one role looks. Colours that are tcell.ColorDefault are those of the terminal.
type Look struct {
	Fg, Bg                        tcell.Color
	Bold, Dim, Underline, Reverse bool
}

// Theme has the look of each role. The zero value is that of the terminal, everywhere.
type Theme [render.StyleCount]Look

// Style is what tcell draws a role with.
func (t *Theme) Style(role render.Style) tcell.Style {
	if role >= render.StyleCount {
		role = render.Text
	}
	l := t[role]
	return tcell.StyleDefault.Foreground(l.Fg).Background(l.Bg).Bold(l.Bold).Dim(l.Dim).Underline(l.Underline).Reverse(l.Reverse)
}

// roles have the names that a file uses.
var roles = map[string]render.Style{
	"text": render.Text, "dim": render.Dim, "strong": render.Strong, "title": render.Title, "head": render.Head, "good": render.Good,
	"warn": render.Warn, "bad": render.Bad, "accent": render.Accent, "second": render.Second, "selected": render.Selected,
	"prompt": render.Prompt, "frame": render.Frame,
}

func rgb(hex int32) tcell.Color { return tcell.NewHexColor(hex) }

// dark is for light text on a dark ground. The ground is the terminal's own, which is calmer than another one beside it.
func dark(colors int) Theme {
	if colors < 256 {
		return Theme{
			render.Dim:      {Fg: tcell.ColorSilver},
			render.Strong:   {Bold: true},
			render.Title:    {Fg: tcell.ColorAqua, Bold: true},
			render.Head:     {Fg: tcell.ColorSilver, Underline: true},
			render.Good:     {Fg: tcell.ColorGreen},
			render.Warn:     {Fg: tcell.ColorYellow},
			render.Bad:      {Fg: tcell.ColorRed, Bold: true},
			render.Accent:   {Fg: tcell.ColorAqua},
			render.Second:   {Fg: tcell.ColorFuchsia},
			render.Selected: {Reverse: true},
			render.Prompt:   {Fg: tcell.ColorWhite, Bold: true},
			render.Frame:    {Fg: tcell.ColorGray},
		}
	}
	return Theme{
		render.Dim:      {Fg: rgb(0x8a8a8a)},
		render.Strong:   {Bold: true},
		render.Title:    {Fg: rgb(0x87d7ff), Bold: true},
		render.Head:     {Fg: rgb(0xa8a8a8), Underline: true},
		render.Good:     {Fg: rgb(0x87d787)},
		render.Warn:     {Fg: rgb(0xffd75f)},
		render.Bad:      {Fg: rgb(0xff5f5f), Bold: true},
		render.Accent:   {Fg: rgb(0x5fafd7)},
		render.Second:   {Fg: rgb(0xd787d7)},
		render.Selected: {Fg: rgb(0xffffff), Bg: rgb(0x303a48), Bold: true},
		render.Prompt:   {Fg: rgb(0xffffff), Bg: rgb(0x303030)},
		render.Frame:    {Fg: rgb(0x585858)},
	}
}

// light is for dark text on a light ground.
func light(colors int) Theme {
	if colors < 256 {
		return Theme{
			render.Dim:      {Fg: tcell.ColorGray},
			render.Strong:   {Bold: true},
			render.Title:    {Fg: tcell.ColorNavy, Bold: true},
			render.Head:     {Fg: tcell.ColorGray, Underline: true},
			render.Good:     {Fg: tcell.ColorGreen},
			render.Warn:     {Fg: tcell.ColorPurple},
			render.Bad:      {Fg: tcell.ColorMaroon, Bold: true},
			render.Accent:   {Fg: tcell.ColorNavy},
			render.Second:   {Fg: tcell.ColorPurple},
			render.Selected: {Reverse: true},
			render.Prompt:   {Bold: true},
			render.Frame:    {Fg: tcell.ColorGray},
		}
	}
	return Theme{
		render.Dim:      {Fg: rgb(0x6c6c6c)},
		render.Strong:   {Bold: true},
		render.Title:    {Fg: rgb(0x005f87), Bold: true},
		render.Head:     {Fg: rgb(0x585858), Underline: true},
		render.Good:     {Fg: rgb(0x005f00)},
		render.Warn:     {Fg: rgb(0x875f00)},
		render.Bad:      {Fg: rgb(0xaf0000), Bold: true},
		render.Accent:   {Fg: rgb(0x005faf)},
		render.Second:   {Fg: rgb(0x870087)},
		render.Selected: {Fg: rgb(0x000000), Bg: rgb(0xc6d8ec), Bold: true},
		render.Prompt:   {Fg: rgb(0x000000), Bg: rgb(0xe4e4e4)},
		render.Frame:    {Fg: rgb(0xa8a8a8)},
	}
}

// plain has no colours: what must be seen is bold, underlined or reversed.
func plain() Theme {
	return Theme{
		render.Dim:      {Dim: true},
		render.Strong:   {Bold: true},
		render.Title:    {Bold: true},
		render.Head:     {Underline: true},
		render.Warn:     {Underline: true},
		render.Bad:      {Bold: true, Underline: true},
		render.Accent:   {Bold: true},
		render.Selected: {Reverse: true},
		render.Prompt:   {Bold: true},
		render.Frame:    {Dim: true},
	}
}

// Terminal is what there is to know of a terminal.
type Terminal struct {
	Colors    int // that it can show, 0 or 1 for none
	NoColor   bool
	ColorFGBG string // the variable of that name: "15;0" is light on dark
}

// For returns the theme of a name ("dark", "light", "auto" or "") or of a file.
func For(name string, t Terminal) (*Theme, error) {
	var theme Theme
	switch name {
	case "dark", "light", "auto", "":
		theme = builtin(name, t)
	default:
		var err error
		if theme, err = load(name, t); err != nil {
			return nil, err
		}
	}
	if t.NoColor || t.Colors < 8 {
		theme = plain()
	}
	return &theme, nil
}

func builtin(name string, t Terminal) Theme {
	if name == "light" || name != "dark" && isLight(t.ColorFGBG) {
		return light(t.Colors)
	}
	return dark(t.Colors)
}

// isLight reads COLORFGBG, which some terminals set: foreground and background by their numbers among 16.
func isLight(fgbg string) bool {
	switch fgbg[strings.LastIndexByte(fgbg, ';')+1:] {
	case "7", "9", "10", "11", "12", "13", "14", "15":
		return true
	}
	return false
}
