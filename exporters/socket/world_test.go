// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"sonde/agent/view"
)

// world answers what its functions say. The real one is agent/store, which this package knows nothing of.
type world struct {
	snapshot func(context.Context, view.Query) (*view.Snapshot, error)
	freeze   func() (uint64, error)
	thaw     func(uint64) error
	values   func(string) ([]string, error)
	asked    atomic.Int64
}

func (w *world) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) {
	w.asked.Add(1)
	if w.snapshot == nil {
		return &view.Snapshot{Page: q.Page}, nil
	}
	return w.snapshot(ctx, q)
}

func (w *world) Freeze(context.Context) (uint64, error)                  { return w.freeze() }
func (w *world) Thaw(_ context.Context, id uint64) error                 { return w.thaw(id) }
func (w *world) Values(_ context.Context, flag string) ([]string, error) { return w.values(flag) }

// here returns a configuration for a socket of this test.
func here(t *testing.T) Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "sonde") // t.TempDir has the name of the test in it, and a socket has little room
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Path = filepath.Join(dir, "s")
	return c
}

var silent = slog.New(slog.DiscardHandler)

// serve serves w until the test ends, or stop is called.
func serve(t *testing.T, c Config, w view.World) (s *Server, stop func()) {
	t.Helper()
	ln, err := Listen(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, c, w, ln)
}

func serveOn(t *testing.T, c Config, w view.World, ln net.Listener) (s *Server, stop func()) {
	t.Helper()
	s = New(c, w, "test", silent)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// filler sets every field of a value to something that no other field has.
type filler struct{ n int64 }

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 5, 4, 3, 2, 1, int(f.n), time.UTC)))
	case v.CanInt():
		v.SetInt(f.n << (v.Type().Bits() / 2))
	case v.CanUint():
		v.SetUint(1<<(v.Type().Bits()-1) + uint64(f.n)) // what a float64 cannot hold
	case v.CanFloat():
		v.SetFloat(float64(f.n) / 3)
	default:
		f.fillParts(v)
	}
}

func (f *filler) fillParts(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(fmt.Sprintf("%d <ü> \"\\\x1b\u2028&", f.n))
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key)
		f.fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		panic("there is no filling of " + v.Type().String())
	}
}
