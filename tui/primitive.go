// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"strings"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"sonde/tui/render"
)

// The viewer is the one tview.Primitive of its application: it has the whole screen.
var _ tview.Primitive = (*viewer)(nil)

// Draw implements tview.Primitive.
func (v *viewer) Draw(screen tcell.Screen) {
	w, h := screen.Size()
	canvas := render.NewCanvas(w, h)
	v.model.draw(canvas)
	blit(screen, canvas, v.styles)
	if v.model.layout.CursorX >= 0 {
		screen.ShowCursor(v.model.layout.CursorX, v.model.layout.CursorY)
	} else {
		screen.HideCursor()
	}
	v.wish() // the height of the table is known now
}

// GetRect implements tview.Primitive.
func (v *viewer) GetRect() (int, int, int, int) { return v.box.GetRect() }

// SetRect implements tview.Primitive.
func (v *viewer) SetRect(x, y, w, h int) { v.box.SetRect(x, y, w, h) }

// InputHandler implements tview.Primitive. Keys come to us before tview looks for who has the focus.
func (v *viewer) InputHandler() func(*tcell.EventKey, func(tview.Primitive)) { return nil }

// Focus implements tview.Primitive.
func (v *viewer) Focus(func(tview.Primitive)) { v.box.Focus(nil) }

// HasFocus implements tview.Primitive.
func (v *viewer) HasFocus() bool { return true }

// Blur implements tview.Primitive.
func (v *viewer) Blur() {}

// MouseHandler implements tview.Primitive.
func (v *viewer) MouseHandler() func(tview.MouseAction, *tcell.EventMouse, func(tview.Primitive)) (bool, tview.Primitive) {
	return func(action tview.MouseAction, ev *tcell.EventMouse, _ func(tview.Primitive)) (bool, tview.Primitive) {
		used := v.model.mouse(action, ev)
		if used {
			v.changed()
		}
		return used, nil
	}
}

// PasteHandler implements tview.Primitive. Text goes into the prompt; it is never taken for keys.
func (v *viewer) PasteHandler() func(string, func(tview.Primitive)) {
	return func(text string, _ func(tview.Primitive)) {
		v.model.paste(strings.Join(strings.Fields(text), " "))
		v.changed()
	}
}
