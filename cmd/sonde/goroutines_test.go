// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
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
	r := &poolReceiver{Receiver: &got, startsPool: func(pid uint32, pc uint64) bool { return pid == 7 && pc == pool },
		judged: func(uint32) bool { return true }}
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

func TestThreadsOfProgramsNotLookedAtMeanNothing(t *testing.T) {
	var got flags
	r := &poolReceiver{Receiver: &got, startsPool: func(uint32, uint64) bool { return false }, judged: func(pid uint32) bool { return pid == 7 }}
	for _, u := range []event.Use{
		{PidTgid: 7<<32 | 1},          // looked at
		{PidTgid: 8<<32 | 1},          // may be Go
		{PidTgid: 8<<32 | 1, Goid: 3}, // is
		{},                            // nobody knows
	} {
		u.Hdr.Kind = uint8(event.KindUse)
		r.Record(event.Bytes(&u))
	}
	if want := (flags{0, event.UseUnjudged, 0, 0}); !slices.Equal(got, want) {
		t.Errorf("flags %v, want %v", got, want)
	}
}

// flags keeps those of what it was told of.
type flags []uint8

func (f *flags) Record(r source.Record) { *f = append(*f, event.As[event.Use](r).Hdr.Flags) }
func (f *flags) Tick(time.Duration)     {}
