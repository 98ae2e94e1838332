// SPDX-License-Identifier: Apache-2.0

// Package begins holds parsers to what protocol.Env.Begin asks of them, in their tests. Watch makes a test fail where a request
// is begun twice, emitted without having been begun, or emitted as something else; and what it sets Request.Begun to is the
// position of the request, so that tests which compare requests compare positions too.
//
// It is no tracer: nothing is joined here. Who calls it: the tests of agent/protocol.
package begins

import (
	"fmt"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Watch sets env.Begin and puts itself before env.Emit. env must have Emit set, and is for one connection. It panics where a
// parser breaks the contract: fuzzing shows the input that did it.
func Watch(env *protocol.Env) {
	emit, told := env.Emit, map[uint64]*protocol.Begin{}
	env.Begin = func(b protocol.Begin) uint64 {
		id := Identity(b)
		if told[id] != nil {
			panic(fmt.Sprintf("begun twice: %+v", b))
		}
		b.Fields = nil
		told[id] = &b
		return id
	}
	env.Emit = func(r *model.Request) {
		b := told[r.Begun]
		d := protocol.Sent
		switch {
		case b == nil:
			panic(fmt.Sprintf("emitted without having been begun, or twice: %+v", r))
		case b.Pushed:
			d = b.Dir.Other()
		default:
			d = b.Dir
		}
		if r.Role != protocol.RoleOf(d) || r.Start != b.Start {
			panic(fmt.Sprintf("begun as %+v, emitted as %+v", b, r))
		}
		told[r.Begun] = &protocol.Begin{Start: -1} // it may be begun no more, and emitted no more
		emit(r)
	}
}

// Identity is what Watch makes Request.Begun: different for different positions, never 0.
func Identity(b protocol.Begin) uint64 { return (b.At+1)<<1 | uint64(b.Dir) | uint64(b.Stream)<<40 }

// Position returns the direction and the position that an identity stands for.
func Position(begun uint64) (protocol.Dir, uint64) {
	return protocol.Dir(begun & 1), begun&(1<<40-1)>>1 - 1
}

// Known holds the requests that were reported when something was lost against those that were reported of the same bytes when
// nothing was: what is begun where another request begins would be taken for it. call names a request that can be told from
// all others of the conversation; "" for one that cannot. It fails the test at a request that has another's position.
func Known(t testing.TB, whole, lossy []model.Request, call func(r *model.Request) string) {
	t.Helper()
	of := map[uint64]string{}
	for i := range whole {
		of[whole[i].Begun] = call(&whole[i])
	}
	for i := range lossy {
		r := &lossy[i]
		if was, is := of[r.Begun], call(r); was != "" && is != "" && was != is {
			t.Errorf("%q begins where %q does", is, was)
		}
	}
}

// Positions returns where requests begin, in the order in which they were reported.
func Positions(all []model.Request) []uint64 {
	var at []uint64
	for i := range all {
		at = append(at, all[i].Begun)
	}
	return at
}
