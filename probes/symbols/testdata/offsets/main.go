// SPDX-License-Identifier: Apache-2.0

// Command offsets prints what it knows of itself by reflection, a line each:
//
//	field PACKAGE TYPE OFFSET FIELD...
//	function NAME ADDRESS
package main

import (
	"fmt"
	"net"
	"net/http"
	"reflect"
	"runtime"
)

// deep has a field behind others: in a struct that is a field, which is long enough to need two bytes of length.
type deep struct {
	_     [200]byte
	inner struct {
		_    uint16
		last *deep
	}
}

//go:noinline
func (d *deep) method(n int) int {
	if n > 2 {
		return n
	}
	return d.method(n+1) + 1
}

// asks calls what is known at run time alone.
//
//go:noinline
func asks(f func() (*deep, error)) *deep {
	d, err := f()
	if err != nil {
		return nil
	}
	return d
}

func main() {
	asks(func() (*deep, error) { return nil, nil })
	var kept any = &deep{}
	fmt.Println("function main.(*deep).method", address((*deep).method))
	fmt.Println("function main.main", address(main))
	if kept.(*deep).method(0) == 0 {
		return
	}
	tell(reflect.TypeFor[deep](), "inner", "last")
	tell(reflect.TypeFor[net.TCPAddr](), "Port")
	tell(reflect.TypeFor[net.TCPConn](), "conn", "fd")
	conn, _ := reflect.TypeFor[net.TCPConn]().FieldByName("fd")
	tell(conn.Type.Elem(), "pfd", "Sysfd")
	tell(conn.Type.Elem(), "raddr")
	idle, _ := reflect.TypeFor[http.Transport]().FieldByName("idleConn")
	tell(idle.Type.Elem().Elem().Elem(), "conn")
	if _, err := http.Get("http://127.0.0.1:1/"); err == nil { // so that the linker keeps it
		fmt.Println("nobody should listen there")
	}
}

func address(f any) uintptr { return runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Entry() }

func tell(t reflect.Type, fields ...string) {
	text := fmt.Sprint("field ", t.PkgPath(), " ", t.Name())
	offset := uintptr(0)
	names := ""
	for in := t; len(fields) > 0; fields = fields[1:] {
		f, ok := in.FieldByName(fields[0])
		if !ok {
			panic(fields[0])
		}
		offset += f.Offset
		names += " " + f.Name
		in = f.Type
	}
	fmt.Print(text, " ", offset, names, "\n")
}
