// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"sonde/probes/event"
)

// writtenRing is a ring as the kernel would have written it, in memory of our own.
type writtenRing struct {
	ring
	at uint64 // of the next record
}

func newWrittenRing(size int) *writtenRing {
	page := os.Getpagesize()
	words := make([]uint64, (2*page+size)/8) // for the alignment
	all := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
	return &writtenRing{ring: ring{
		consumer: all[:page:page], producer: all[page:], data: all[2*page:], mask: uint64(size - 1),
	}}
}

// reserve takes the place of a record of 8 bytes of time and the text, and returns it for submit. It says false when the
// ring is full, by the same rule as the kernel's.
func (w *writtenRing) reserve(at time.Duration, text string) (place uint64, ok bool) {
	n := uint64(8 + len(text))
	next := w.at + (n+ringHeader+7)&^7
	if next-position(w.consumer).Load() > uint64(len(w.data)) {
		return 0, false
	}
	place, w.at = w.at, next
	binary.NativeEndian.PutUint32(w.data[place&w.mask:], uint32(n)|ringBusy)
	record := binary.NativeEndian.AppendUint64(nil, uint64(at))
	for i, b := range append(record, text...) {
		w.data[(place+ringHeader+uint64(i))&w.mask] = b
	}
	position(w.producer).Store(w.at)
	return place, true
}

func (w *writtenRing) submit(place uint64, flags uint32) {
	header := w.data[place&w.mask:]
	binary.NativeEndian.PutUint32(header, binary.NativeEndian.Uint32(header)&^ringBusy|flags)
}

func (w *writtenRing) write(t *testing.T, at time.Duration, text string) {
	t.Helper()
	place, ok := w.reserve(at, text)
	if !ok {
		t.Fatalf("no room for %q", text)
	}
	w.submit(place, 0)
}

func readerOf(rings ...*writtenRing) *Reader {
	r := &Reader{}
	for _, w := range rings {
		r.rings = append(r.rings, &w.ring)
	}
	return r
}

// drained returns what a Drain delivers, as "time:text" separated by blanks.
func drained(t *testing.T, r *Reader, now time.Duration) string {
	t.Helper()
	var got []string
	n := r.Drain(now, func(rec event.Record) {
		got = append(got, fmt.Sprintf("%d:%s", binary.NativeEndian.Uint64(rec), rec[8:]))
	})
	if n != len(got) {
		t.Errorf("Drain says %d, delivered %d", n, len(got))
	}
	return strings.Join(got, " ")
}

func expect(t *testing.T, r *Reader, now time.Duration, want string) {
	t.Helper()
	if got := drained(t, r, now); got != want {
		t.Errorf("until %d: got %q, want %q", now, got, want)
	}
}

func TestRingsAreMergedByTime(t *testing.T) {
	a, b, c := newWrittenRing(4096), newWrittenRing(4096), newWrittenRing(4096)
	r := readerOf(a, b, c)
	for _, at := range []time.Duration{1, 2, 7, 9} {
		a.write(t, at, "a")
	}
	for _, at := range []time.Duration{3, 4, 8} {
		b.write(t, at, "b")
	}
	c.write(t, 5, "c")
	expect(t, r, 100, "1:a 2:a 3:b 4:b 5:c 7:a 8:b 9:a")
	expect(t, r, 100, "")
}

func TestRecordsOfOneTimeAreAllDelivered(t *testing.T) {
	a, b := newWrittenRing(4096), newWrittenRing(4096)
	r := readerOf(a, b)
	for range 2 {
		a.write(t, 5, "a")
		b.write(t, 5, "b")
	}
	got := strings.Fields(drained(t, r, 100))
	slices.Sort(got)
	if want := "5:a 5:a 5:b 5:b"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Another CPU may still write a record with an earlier time than one that is younger than the look at the rings.
func TestRecordsYoungerThanNowStay(t *testing.T) {
	a, b := newWrittenRing(4096), newWrittenRing(4096)
	r := readerOf(a, b)
	a.write(t, 10, "a")
	b.write(t, 20, "b")
	expect(t, r, 15, "10:a")
	a.write(t, 16, "a")
	expect(t, r, 30, "16:a 20:b")
}

func TestIncompleteRecordHoldsUpTheYoungerOnesOfAllRings(t *testing.T) {
	a, b := newWrittenRing(4096), newWrittenRing(4096)
	r := readerOf(a, b)
	a.write(t, 1, "a")
	place, _ := a.reserve(3, "busy")
	a.write(t, 6, "a")
	b.write(t, 2, "b")
	b.write(t, 4, "b")
	if got := drained(t, r, 100); !strings.HasPrefix("1:a 2:b", got) || !strings.HasPrefix(got, "1:a") {
		t.Errorf("got %q, want 1:a and nothing younger than the incomplete record", got)
	}
	a.submit(place, 0)
	if got := drained(t, r, 100); !strings.HasSuffix(got, "3:busy 4:b 6:a") {
		t.Errorf("got %q, want the rest in order", got)
	}
}

func TestDiscardedRecordsAreSkipped(t *testing.T) {
	a, b := newWrittenRing(4096), newWrittenRing(4096)
	r := readerOf(a, b)
	first, _ := a.reserve(1, "gone")
	a.write(t, 2, "a")
	last, _ := a.reserve(3, "gone too")
	a.submit(first, ringDiscard)
	a.submit(last, ringDiscard)
	b.write(t, 4, "b")
	expect(t, r, 100, "2:a 4:b")
	if n := r.Pending(); n != 0 {
		t.Errorf("%d bytes still wait", n)
	}
}

func TestRecordOverTheEndOfTheRingIsPutTogether(t *testing.T) {
	a := newWrittenRing(4096)
	r := readerOf(a)
	for lap := range 50 { // 400 + 16 bytes do not divide the ring: a record runs over its end at another place each lap
		text := strings.Repeat(string(rune('a'+lap%26)), 400+lap%7)
		var want []string
		for i := range 6 {
			at := time.Duration(lap*10 + i + 1)
			a.write(t, at, text)
			want = append(want, fmt.Sprintf("%d:%s", at, text))
		}
		expect(t, r, time.Hour, strings.Join(want, " "))
	}
}

func TestRoomIsGivenBackAndPendingKnowsIt(t *testing.T) {
	a, b := newWrittenRing(4096), newWrittenRing(4096)
	r := readerOf(a, b)
	a.write(t, 1, "12345678")
	b.write(t, 2, "12345678")
	if n, want := r.Pending(), uint64(48); n != want {
		t.Errorf("%d bytes pending, want %d", n, want)
	}
	drained(t, r, 100)
	if n := r.Pending(); n != 0 {
		t.Errorf("%d bytes pending after all was read", n)
	}
	if s := r.Stats(); s.Records != 2 || s.Bytes != 48 || s.Size != 8192 {
		t.Errorf("stats %+v, want 2 records of 48 bytes in 8192", s)
	}
}

// Whatever CPUs write, in whatever order records are completed, and whenever the reader looks: each record is delivered
// once, unharmed, and no record after a younger one.
func TestMergeKeepsOrderWhateverIsIncomplete(t *testing.T) {
	for seed := range uint64(200) {
		m := merging{r: rand.New(rand.NewPCG(seed, 9)), want: map[string]bool{}}
		for range 1 + m.r.IntN(4) {
			m.rings = append(m.rings, newWrittenRing(4096))
			m.busy = append(m.busy, nil)
		}
		m.reader = readerOf(m.rings...)
		for range 400 {
			m.step(t)
		}
		for i := range m.busy {
			m.complete(i, len(m.busy[i]))
		}
		m.look(t)
		if len(m.want) > 0 {
			t.Fatalf("seed %d: %d records were never delivered", seed, len(m.want))
		}
	}
}

// merging is a random history of writers and a reader.
type merging struct {
	r      *rand.Rand
	rings  []*writtenRing
	busy   [][]uint64 // places of incomplete records, by ring
	reader *Reader
	now    time.Duration
	last   uint64
	number int
	want   map[string]bool
}

func (m *merging) step(t *testing.T) {
	i := m.r.IntN(len(m.rings))
	switch m.r.IntN(8) {
	case 0:
		m.look(t)
	case 1, 2, 3:
		m.complete(i, m.r.IntN(len(m.busy[i])+1))
	default:
		m.now += time.Duration(m.r.IntN(3)) // two records may have one time
		m.number++
		text := fmt.Sprintf("%d%s", m.number, strings.Repeat("x", m.r.IntN(100)))
		if place, ok := m.rings[i].reserve(m.now, text); ok {
			m.busy[i] = append(m.busy[i], place)
			m.want[text] = true
		}
	}
}

// complete submits n of the incomplete records of a ring, in any order, as nested interrupts do.
func (m *merging) complete(i, n int) {
	for range n {
		k := m.r.IntN(len(m.busy[i]))
		m.rings[i].submit(m.busy[i][k], 0)
		m.busy[i] = slices.Delete(m.busy[i], k, k+1)
	}
}

func (m *merging) look(t *testing.T) {
	m.now++ // what comes is younger than this look
	m.reader.Drain(m.now-1, func(rec event.Record) {
		at, text := binary.NativeEndian.Uint64(rec), string(rec[8:])
		if at < m.last {
			t.Fatalf("record of %d after one of %d", at, m.last)
		}
		m.last = at
		if !m.want[text] {
			t.Fatalf("record %.20q was never written, or delivered twice", text)
		}
		delete(m.want, text)
	})
}
