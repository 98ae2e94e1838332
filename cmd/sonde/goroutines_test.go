// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/source"
	"sonde/probes/event"
)

// uses keeps who started the goroutines that it was told of.
type uses []uint64

func (u *uses) Record(r source.Record) { *u = append(*u, event.As[event.Use](r).ParentGoid) }
func (u *uses) Tick(time.Duration)     {}

func TestGoroutinesOfPoolsHaveNobodyWhoStartedThem(t *testing.T) {
	const pool, own = 0x1000, 0x2000
	var got uses
	r := &poolReceiver{Receiver: &got, startsPool: func(pid uint32, pc uint64) bool { return pid == 7 && pc == pool }}
	for _, u := range []event.Use{
		{Use: uint8(model.UseSend), StartPc: pool}, {Use: uint8(model.UseCall), StartPc: pool}, {Use: uint8(model.UseSend), StartPc: own},
		{Use: uint8(model.UseRead), StartPc: pool}, {Use: uint8(model.UseServe), StartPc: pool},
	} {
		u.Hdr.Kind, u.PidTgid, u.ParentGoid = uint8(event.KindUse), 7<<32, 5
		r.Record(event.Bytes(&u))
		if u.ParentGoid != 5 {
			t.Error("the record itself was changed")
		}
	}
	want := uses{0, 0, 5, 5, 5}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("record %d names goroutine %d, want %d", i, got[i], want[i])
		}
	}
}
