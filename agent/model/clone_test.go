// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func TestCloneEqualsAndSharesNothing(t *testing.T) {
	from := new(Request)
	fill(reflect.ValueOf(from).Elem(), new(int))
	to := from.Clone()
	if !reflect.DeepEqual(from, to) {
		t.Fatalf("the copy differs:\n%+v\n%+v", from, to)
	}
	shared(t, "Request", reflect.ValueOf(from), reflect.ValueOf(to))
}

func TestCloneOfNothingIsNothing(t *testing.T) {
	if to := new(Request).Clone(); !reflect.DeepEqual(to, new(Request)) {
		t.Errorf("got %+v", to)
	}
}

func TestCloneIntoLeavesNothingBehind(t *testing.T) {
	to := new(Request)
	fill(reflect.ValueOf(to).Elem(), new(int))
	from := &Request{Protocol: ProtocolHTTP, HTTP: &HTTP{Method: "GET"}}
	detail := to.HTTP
	from.CloneInto(to)
	if !reflect.DeepEqual(from, to) {
		t.Errorf("the copy differs:\n%+v\n%+v", from, to)
	}
	if to.HTTP != detail {
		t.Error("the detail was not used again")
	}
}

func TestCloneDoesNotKeepLargeBuffers(t *testing.T) {
	buffer := string(make([]byte, 1<<20))
	from := &Request{HTTP: &HTTP{Path: buffer[100:110]}}
	to := from.Clone()
	if within(to.HTTP.Path, buffer) {
		t.Error("the copy holds the buffer")
	}
}

func TestFootprintGrowsWithTheText(t *testing.T) {
	bare, long := &Request{DB: &DB{}}, &Request{DB: &DB{Query: string(make([]byte, 4000))}}
	if n := long.Footprint() - bare.Footprint(); n != 4000 {
		t.Errorf("4000 bytes of text count %d", n)
	}
	if none := new(Request).Footprint(); bare.Footprint() <= none {
		t.Error("a detail counts nothing")
	}
}

// fill gives every field that v reaches a value of its own.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{10, 0, 0, byte(*n)})))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), uint16(*n))))
		return
	case time.Time:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 3))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(uint64(*n%200 + 1))
	case reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		v.SetUint(uint64(*n))
	case reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(int64(*n))
	default:
		panic("fill knows no " + v.Kind().String())
	}
}

// shared complains of memory that a and b both reach, but for processes. It fails on kinds of fields that it does not know.
func shared(t *testing.T, path string, a, b reflect.Value) {
	switch a.Interface().(type) {
	case *Process, netip.Addr, netip.AddrPort, time.Time:
		return
	}
	switch a.Kind() {
	case reflect.Pointer:
		if a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", path)
		}
		shared(t, path, a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			shared(t, path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	case reflect.Slice:
		if a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", path)
		}
		for i := range a.Len() {
			shared(t, path+"[]", a.Index(i), b.Index(i))
		}
	case reflect.String:
		if within(b.String(), a.String()) {
			t.Errorf("%s is shared", path)
		}
	case reflect.Array, reflect.Bool, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Int, reflect.Int32,
		reflect.Int64:
	default:
		t.Errorf("%s: shared knows no %s", path, a.Kind())
	}
}

// within tells whether s is part of the memory of whole.
func within(s, whole string) bool {
	if s == "" || whole == "" {
		return false
	}
	at, from := reflect.ValueOf(s).Pointer(), reflect.ValueOf(whole).Pointer()
	return at >= from && at < from+uintptr(len(whole))
}

func BenchmarkClone(b *testing.B) {
	from := &Request{
		Protocol: ProtocolHTTP,
		HTTP:     &HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/cart/17", Host: "shop:8080", UserAgent: "curl/8"},
		Fields:   []Field{{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
	}
	to := new(Request)
	b.ReportAllocs()
	for b.Loop() {
		from.CloneInto(to)
	}
}
