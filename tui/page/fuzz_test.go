// SPDX-License-Identifier: Apache-2.0

package page

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

// FuzzPages draws each page of a snapshot that nobody would send, into a part of a larger canvas: nothing panics, and nothing is
// drawn beside the part.
func FuzzPages(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, 80, 24, 0)
	}
	f.Add(uint64(9), 0, 0, -1)
	f.Add(uint64(10), 1, 1, 3)
	f.Add(uint64(11), 300, 80, 2)
	f.Fuzz(func(t *testing.T, seed uint64, w, h, row int) {
		w, h = min(max(w, 0), 320), min(max(h, 0), 90)
		s := &view.Snapshot{}
		fill(reflect.ValueOf(s).Elem(), rand.New(rand.NewPCG(seed, seed)))
		for _, p := range All() {
			if p.Arrange != nil {
				p.Arrange(s)
			}
			p.Rows(s)
			p.ID(s, row)
			p.Mark(s, row)
			p.Empty(s)
			if _, scope, ok := p.Enter(s, row, s0); ok {
				p.Crumb(scope)
			}
			for _, column := range p.Columns {
				for _, width := range []int{0, 1, column.Min, max(column.Min, column.Max), w} {
					within(t, width, 1, func(c *render.Canvas) { column.Cell(c, s, row) })
				}
			}
			if p.Panel != nil {
				within(t, w, min(h, p.PanelHeight), func(c *render.Canvas) { p.Panel(c, s, row) })
				within(t, w, h, func(c *render.Canvas) { p.Panel(c, s, -1) })
			}
			if p.Body != nil {
				within(t, w, h, func(c *render.Canvas) { p.Body(c, s, row) })
			}
		}
	})
}

var s0 = view.Scope{Service: "s"}

// within hands out a part of a canvas and looks at what is beside it.
func within(t *testing.T, w, h int, draw func(*render.Canvas)) {
	t.Helper()
	whole := render.NewCanvas(w+4, h+2)
	draw(whole.Part(2, 1, w, h))
	for y := range whole.H {
		for x := range whole.W {
			inside := x >= 2 && x < 2+w && y >= 1 && y < 1+h
			if !inside && whole.At(x, y) != (render.Cell{}) {
				t.Fatalf("%d x %d cells, and %q at %d, %d beside them", w, h, whole.At(x, y).Text, x-2, y-1)
			}
		}
	}
}

var oddities = []string{
	"", "-", "name", "目录服务-カタログ", "evil\x1b[2J\r\n\x00", "\xff\xfe", "e\u0301\u202e\u200b👩‍👩‍👧", "a name that is longer than any column has room for, and goes on",
	"error", "incomplete", "ok", "interface", "tcp", "tls", "none", "client", "/a/path/without/a/blank/to/break/it/at/which/must/be/cut/somewhere/in/the/middle",
}

// fill puts random values into all that v holds, many of them from the edges.
func fill(v reflect.Value, r *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			times := []time.Time{{}, noon, noon.Add(time.Duration(r.Int64())), time.Unix(r.Int64()>>20, 0), time.Unix(math.MaxInt64>>20, 0)}
			v.Set(reflect.ValueOf(times[r.IntN(len(times))]))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), r)
		}
	case reflect.Pointer:
		if r.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), r)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(5), 5))
		for i := range v.Len() {
			fill(v.Index(i), r)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, r)
			fill(value, r)
			v.SetMapIndex(key, value)
		}
	default:
		fillOne(v, r)
	}
}

func fillOne(v reflect.Value, r *rand.Rand) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(oddities[r.IntN(len(oddities))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, -1, 1, math.MaxInt64, math.MinInt64, r.Int64(), r.Int64N(1e9)}[r.IntN(7)])
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint([]uint64{0, 1, math.MaxUint64, r.Uint64(), r.Uint64N(1e6)}[r.IntN(5)])
	case reflect.Float64:
		v.SetFloat([]float64{0, math.Copysign(0, -1), 1e-9, 1e300, -5, math.NaN(), math.Inf(1), math.Inf(-1), r.Float64() * 1e6}[r.IntN(9)])
	default:
		panic("no values for " + v.Type().String())
	}
}
