// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"sonde/agent/model"
)

// TestRecentSpansAreOfTheSameRequest changes one field after the other of what an encoder remembers: it must encode the new request
// as one does that remembers nothing.
func TestRecentSpansAreOfTheSameRequest(t *testing.T) {
	for name, edit := range map[string]func(r *model.Request){
		"server":         func(*model.Request) {},
		"client":         func(r *model.Request) { r.Role = model.RoleClient },
		"failed":         func(r *model.Request) { r.Outcome, r.ErrorType, r.HTTP.Status = model.OutcomeError, "reset", 0 },
		"cut":            func(r *model.Request) { r.Outcome, r.Reason = model.OutcomeIncomplete, "timeout" },
		"unknown server": func(r *model.Request) { r.HTTP.Host, r.Server.Addr = "", netip.AddrPort{} },
	} {
		fields := leaves(reflect.ValueOf(spanRequest(1, nil)).Elem(), nil)
		fields = append(fields, leaves(reflect.ValueOf(model.HTTP{}), nil)...)
		if len(fields) < 40 {
			t.Fatalf("only %d fields", len(fields))
		}
		for i, path := range fields {
			for _, kind := range []int{0, 1} {
				e, fresh := encoder{limits: Default().Limits, clock: testClock}, encoder{limits: Default().Limits, clock: testClock}
				base := spanRequest(1, edit)
				first := e.append(nil, base)
				if again := e.append(nil, base); !bytes.Equal(first, again) {
					t.Fatalf("%s: the second time it is\n%x, not\n%x", name, again, first)
				}
				changed := spanRequest(1, edit)
				v := reflect.ValueOf(changed).Elem()
				if i >= len(fields)-len(leaves(reflect.ValueOf(model.HTTP{}), nil)) {
					v = reflect.ValueOf(changed.HTTP).Elem()
				}
				change(v.FieldByIndex(path), kind)
				if got, want := e.append(nil, changed), fresh.append(nil, changed); !bytes.Equal(got, want) {
					t.Errorf("%s, %s changed: encoded as\n%q, want\n%q", name, v.Type().FieldByIndex(path).Name, got, want)
				}
			}
		}
	}
}

// leaves returns the fields of a struct that hold a value themselves.
func leaves(v reflect.Value, above []int) (paths [][]int) {
	for i := range v.NumField() {
		path := append(append([]int{}, above...), i)
		switch f := v.Field(i); {
		case !v.Type().Field(i).IsExported():
		case f.Type() == reflect.TypeFor[netip.AddrPort]():
			paths = append(paths, path)
		case f.Kind() == reflect.Struct:
			paths = append(paths, leaves(f, path)...)
		case f.Kind() != reflect.Pointer && f.Kind() != reflect.Slice:
			paths = append(paths, path)
		}
	}
	return paths
}

// change gives a field another value, a text of the same length in the one way and a longer one in the other.
func change(f reflect.Value, kind int) {
	switch {
	case f.Type() == reflect.TypeFor[netip.AddrPort]():
		f.Set(reflect.ValueOf([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.77:4711"), {}}[kind]))
	case f.CanUint():
		f.SetUint(f.Uint() + 1)
	case f.CanInt():
		f.SetInt(f.Int() + 1)
	case f.Kind() == reflect.Bool:
		f.SetBool(!f.Bool())
	case f.Kind() == reflect.String && kind == 0 && f.Len() > 0:
		f.SetString(strings.Repeat("/", f.Len()))
	case f.Kind() == reflect.String:
		f.SetString(f.String() + "x")
	case f.Kind() == reflect.Array:
		f.Index(0).SetUint(f.Index(0).Uint() + 1)
	}
}

// TestLongRequestsAreNotRemembered bounds what the texts of strangers make an encoder hold.
func TestLongRequestsAreNotRemembered(t *testing.T) {
	e := encoder{limits: Default().Limits, clock: testClock}
	r := spanRequest(1, func(r *model.Request) { r.HTTP.Path = "/" + strings.Repeat("x", maxRecentTexts) })
	first := e.append(nil, r)
	c := &e.recent[r.Conn%recentSpans]
	if len(c.texts) > 0 || len(c.encoded) > 0 {
		t.Errorf("%d bytes of texts, %d of a span are remembered", len(c.texts), len(c.encoded))
	}
	if again := e.append(nil, r); !bytes.Equal(first, again) {
		t.Error("the second time it is another span")
	}
}
