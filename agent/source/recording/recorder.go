// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/source"
	"sonde/probes/event"
)

// Limits of what waits for its parser's word.
const (
	MaxHold      = 10 * time.Second
	MaxHeldBytes = 64 << 20
)

// flushInterval bounds what is lost when the writer is killed, besides what is held.
const flushInterval = time.Second

// Stats of a recording.
type Stats struct {
	Records uint64
	Bytes   uint64 // of the file
	Hidden  uint64 // payload bytes that were replaced
	CutOff  uint64 // payload bytes that nobody vouched for, and that are counted in the file instead
}

// Recorder stands between a source and the pipeline and writes down what passes.
type Recorder struct {
	to    source.Receiver
	w     *writer
	full  func(written uint64) // called after each tick with the size of the file
	stats Stats

	held    []*held // in the order of the file
	head    int     // index of the first in held
	bytes   int
	now     time.Duration
	flushed time.Duration
	bySide  map[side]*queue
	free    []*held
	at      int // where in held the record at hand stands: what it needs known comes before it

	processes  map[processKey]*model.Process
	interfaces map[uint32]string
}

// side is one direction of a socket.
type side struct {
	sock uint64
	dir  uint8
}

// queue holds the segments of a side that are not written yet, in order.
type queue struct{ segments []*held }

// held is a frame that is not written yet.
type held struct {
	kind    frameKind
	at      time.Duration
	body    []byte
	segment bool
	side    side
	settled uint32 // bytes from the beginning that parsers vouched for
}

type processKey struct {
	pid     uint32
	started time.Duration
}

// New begins a recording. written is called after each tick with the size of the file; it may be nil. out is not closed.
func New(out io.Writer, meta Meta, written func(bytes uint64)) (*Recorder, error) {
	w, err := newWriter(out, meta)
	if err != nil {
		return nil, err
	}
	return &Recorder{
		w: w, full: written, bySide: map[side]*queue{}, processes: map[processKey]*model.Process{},
		interfaces: map[uint32]string{},
	}, nil
}

// Around returns a source that delivers what from does, and writes it down. It ends when from does; Close is to be called
// after the pipeline has reported what was still open.
func (r *Recorder) Around(from source.Source) source.Source { return around{from, r} }

type around struct {
	source.Source
	recorder *Recorder
}

func (a around) Run(ctx context.Context, to source.Receiver) error {
	a.recorder.to = to
	return a.Source.Run(ctx, a.recorder)
}

// Stats returns the counts so far.
func (r *Recorder) Stats() Stats {
	s := r.stats
	s.Bytes = r.w.written.Load()
	return s
}

// Err returns why nothing is written any more, nil while it is.
func (r *Recorder) Err() error { return r.w.err() }

// Record implements source.Receiver.
func (r *Recorder) Record(record source.Record) {
	r.stats.Records++
	h := r.hold(frameRecord)
	h.body = append(h.body, event.Used(record)...)
	if s := event.As[event.Segment](event.Record(h.body)); record.Kind() == event.KindSegment && s != nil {
		h.at = event.Time(&s.Hdr)
		h.segment = true
		h.side = side{s.Hdr.Sock, s.Dir}
		r.index(h)
	} else if len(record) >= 8 {
		h.at = time.Duration(binary.LittleEndian.Uint64(record))
	}
	r.bytes += len(h.body)
	r.at = len(r.held) - 1
	r.to.Record(record)
	r.at = len(r.held)
}

// Tick implements source.Receiver.
func (r *Recorder) Tick(now time.Duration) {
	r.now = now
	h := r.hold(frameTick)
	h.at = now
	h.body = binary.LittleEndian.AppendUint64(h.body, uint64(now))
	r.bytes += len(h.body)
	r.at = len(r.held) - 1
	r.to.Tick(now)
	r.at = len(r.held)
	r.release(false)
	if now-r.flushed >= flushInterval {
		r.flushed = now
		r.w.flush()
	}
	if r.full != nil {
		r.full(r.w.written.Load())
	}
}

// Clock notes the offset between time since boot and wall time, which holds from now on.
func (r *Recorder) Clock(c model.Clock) {
	h := r.hold(frameClock)
	h.body = binary.LittleEndian.AppendUint64(h.body, uint64(c.Boot.UnixNano()))
}

// Identify notes who a process is, before the record at hand. It implements conn.Identify around another.
func (r *Recorder) Identify(identify func(uint32, time.Duration, string, uint64) *model.Process) func(uint32, time.Duration, string, uint64) *model.Process {
	return func(pid uint32, started time.Duration, comm string, cgroup uint64) *model.Process {
		p := identify(pid, started, comm, cgroup)
		k := processKey{pid, started}
		if r.processes[k] == p {
			return p
		}
		if len(r.processes) >= maxProcesses {
			clear(r.processes)
		}
		r.processes[k] = p
		text, err := json.Marshal(p)
		if err != nil {
			r.w.failed.Store(&err)
			return p
		}
		h := r.insert(frameProcess)
		h.body = binary.LittleEndian.AppendUint32(h.body, pid)
		h.body = binary.LittleEndian.AppendUint64(h.body, uint64(started))
		h.body = append(h.body, text...)
		return p
	}
}

// maxProcesses bounds what is remembered of processes written down; beyond it they are written again.
const maxProcesses = 65536

// InterfaceName notes what an interface is called, before the record at hand, around another function that knows.
func (r *Recorder) InterfaceName(name func(uint32) string) func(uint32) string {
	return func(index uint32) string {
		n := name(index)
		if was, ok := r.interfaces[index]; ok && was == n {
			return n
		}
		r.interfaces[index] = n
		h := r.insert(frameInterface)
		h.body = binary.LittleEndian.AppendUint32(h.body, index)
		h.body = append(h.body, n...)
		return n
	}
}

// Close writes what is held and ends the recording in order.
func (r *Recorder) Close() error {
	r.release(true)
	return r.w.end()
}

func (r *Recorder) fresh(kind frameKind) *held {
	h := &held{}
	if n := len(r.free); n > 0 {
		h, r.free = r.free[n-1], r.free[:n-1]
	}
	*h = held{kind: kind, body: h.body[:0]}
	return h
}

func (r *Recorder) hold(kind frameKind) *held {
	h := r.fresh(kind)
	r.held = append(r.held, h)
	return h
}

// insert adds a frame before the one at hand.
func (r *Recorder) insert(kind frameKind) *held {
	h := r.hold(kind)
	at := min(max(r.at, r.head), len(r.held)-1)
	copy(r.held[at+1:], r.held[at:])
	r.held[at] = h
	r.at = at + 1
	return h
}

func (r *Recorder) index(h *held) {
	q := r.bySide[h.side]
	if q == nil {
		q = &queue{}
		r.bySide[h.side] = q
	}
	q.segments = append(q.segments, h)
}

// segmentOf returns the segment of a held frame, whose memory is aligned because it was allocated.
func segmentOf(h *held) *event.Segment { return event.As[event.Segment](event.Record(h.body)) }

// Hide implements conn.Recorder.
func (r *Recorder) Hide(sock uint64, dir uint8, seq uint32, n uint64, with protocol.Filler) {
	r.overwrite(sock, dir, seq, n, func(p []byte, _ uint64) { fill(p, with) })
}

// Replace implements conn.Recorder.
func (r *Recorder) Replace(sock uint64, dir uint8, seq uint32, with []byte) {
	r.overwrite(sock, dir, seq, uint64(len(with)), func(p []byte, at uint64) { copy(p, with[at:]) })
}

// overwrite calls write for the bytes that are held among the n from seq on; at says how many of those are before them.
func (r *Recorder) overwrite(sock uint64, dir uint8, seq uint32, n uint64, write func(p []byte, at uint64)) {
	q := r.bySide[side{sock, dir}]
	if q == nil {
		return
	}
	for _, h := range q.segments {
		s := segmentOf(h)
		head, tail, ok := event.Payload(event.Record(h.body), s)
		if !ok {
			continue
		}
		r.within(head, s.Seq, seq, n, write)
		r.within(tail, s.Seq+s.Len-uint32(len(tail)), seq, n, write)
	}
}

// within calls write for those of the bytes p, which begin at sequence number at, that are among the n from seq on.
func (r *Recorder) within(p []byte, at, seq uint32, n uint64, write func(p []byte, at uint64)) {
	first := int64(int32(seq - at))
	to := min(first+int64(n), int64(len(p)))
	from := max(first, 0)
	if from >= to {
		return
	}
	r.stats.Hidden += uint64(to - from)
	write(p[from:to], uint64(from-first))
}

func fill(p []byte, with protocol.Filler) {
	for i, b := range p {
		switch {
		case with == protocol.FillZero:
			p[i] = 0
		case with == protocol.FillAll:
			p[i] = 'x'
		case '0' <= b && b <= '9':
			p[i] = '0'
		case with == protocol.FillDigits, b == '\'', b == '"', b == '`', b == '\\':
		default:
			p[i] = 'x'
		}
	}
}

// Settle implements conn.Recorder.
func (r *Recorder) Settle(sock uint64, dir uint8, seq uint32) {
	q := r.bySide[side{sock, dir}]
	if q == nil {
		return
	}
	for _, h := range q.segments {
		if n := int32(seq - segmentOf(h).Seq); n > 0 {
			h.settled = max(h.settled, uint32(n))
		}
	}
}

// wanted is how many bytes of a segment have to be vouched for: up to the last that was copied.
func wanted(s *event.Segment) uint32 {
	if s.Tail > 0 {
		return s.Len
	}
	return uint32(s.Head)
}

// release writes frames from the front on that wait for nothing. all says that nobody will vouch for anything any more.
func (r *Recorder) release(all bool) {
	for r.head < len(r.held) {
		h := r.held[r.head]
		if h.segment && !all && h.settled < wanted(segmentOf(h)) && r.now-h.at < MaxHold && r.bytes < MaxHeldBytes {
			break
		}
		if h.segment {
			r.cut(h)
			r.unindex(h)
		}
		r.w.frame(h.kind, int64(h.at), h.body)
		r.bytes -= len(h.body)
		r.held[r.head] = nil
		r.head++
		if len(r.free) < 1024 && cap(h.body) <= 8192 {
			r.free = append(r.free, h)
		}
	}
	if r.head > 1024 && r.head > len(r.held)/2 || r.head == len(r.held) {
		n := copy(r.held, r.held[r.head:])
		clear(r.held[n:])
		r.held, r.head = r.held[:n], 0
		r.at = len(r.held)
	}
}

// cut takes back what nobody vouched for: the record says then that it was counted, not copied.
func (r *Recorder) cut(h *held) {
	s := segmentOf(h)
	if h.settled >= wanted(s) {
		return
	}
	head, tail, ok := event.Payload(event.Record(h.body), s)
	if !ok {
		h.body = h.body[:0]
		return
	}
	kept := min(uint32(len(head)), h.settled)
	r.stats.CutOff += uint64(len(head)) - uint64(kept) + uint64(len(tail))
	r.bytes -= len(tail) + len(head) - int(kept)
	s.Head, s.Tail = uint16(kept), 0
	h.body = event.Used(event.Record(h.body))
}

func (r *Recorder) unindex(h *held) {
	q := r.bySide[h.side]
	if q == nil {
		return
	}
	for i, s := range q.segments {
		if s == h {
			q.segments = append(q.segments[:i], q.segments[i+1:]...)
			break
		}
	}
	if len(q.segments) == 0 {
		delete(r.bySide, h.side)
	}
}
