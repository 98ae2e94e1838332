// SPDX-License-Identifier: Apache-2.0

package conn_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/probes/event"
)

// script writes the records that the kernel would write, gives them to a tracker, and keeps both as text: records
// indented, what came out of them at the margin.
type script struct {
	tracker *conn.Tracker
	text    strings.Builder
	now     time.Duration
	socks   uint64
	quiet   bool // only what comes out
}

func newScript(c conn.Config) *script {
	s := &script{}
	identify := func(pid uint32, _ time.Duration, comm string, _ uint64) *model.Process {
		return &model.Process{PID: pid, Name: comm, ServiceName: comm}
	}
	s.tracker = conn.New(c, identify, func(i uint32) string { return fmt.Sprintf("eth%d", i) }, (*written)(s))
	return s
}

// record gives the tracker a record, a millisecond after the one before.
func (s *script) record(fixed any, what string, args ...any) {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, fixed); err != nil {
		panic(err)
	}
	s.note(what, args...)
	s.tracker.Record(event.Clone(b.Bytes()))
}

func (s *script) note(what string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(&s.text, "    %-6s %s\n", ms(s.now), fmt.Sprintf(what, args...))
	}
}

func (s *script) header(k event.Kind, sock uint64) event.Header {
	s.now += time.Millisecond
	return event.Header{Time: uint64(s.now), Kind: uint8(k), Sock: sock}
}

func (s *script) tick(after time.Duration) {
	s.now += after
	s.note("tick")
	s.tracker.Tick(s.now)
}

func (s *script) stop() {
	s.now += time.Millisecond
	s.note("stop")
	s.tracker.Stop(s.now)
}

func ms(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// sock is a socket of the kernel and what its segments have told so far.
type sock struct {
	s             *script
	address       uint64 // of the struct sock
	cookie        uint64
	local, remote netip.AddrPort
	dirs          [2]sockDirection
	acked         uint64
	got           uint64
	synSent       uint64 // 1 on the connecting side: the kernel counts the SYN as a byte
	lost          uint32
	ackedShort    uint32 // bytes sent that the peer did not acknowledge
}

type sockDirection struct {
	first, next uint32
	started     bool
	ended       bool
	turnBegan   uint32 // the other direction's next when the current turn began
}

// sock returns a socket at an address of its own.
func (s *script) sock(local, remote string) *sock {
	s.socks++
	k := &sock{
		s: s, address: 0xffff888000000000 + s.socks<<12, cookie: s.socks,
		local: netip.MustParseAddrPort(local), remote: netip.MustParseAddrPort(remote),
	}
	k.dirs[0].next, k.dirs[1].next = 1000, 500_000
	k.dirs[0].first, k.dirs[1].first = 1000, 500_000
	return k
}

// reused returns the next socket that the kernel makes at the address of k.
func (k *sock) reused(local, remote string) *sock {
	n := k.s.sock(local, remote)
	n.address = k.address
	return n
}

func (k *sock) tuple() event.Tuple {
	return event.Tuple{
		Local: k.local.Addr().As16(), Remote: k.remote.Addr().As16(),
		LocalPort: k.local.Port(), RemotePort: k.remote.Port(), Netns: 1,
	}
}

func who(pid uint32, comm string) (w event.Who) {
	w.PidTgid, w.Start = uint64(pid)<<32|uint64(pid), 1
	for i := range comm {
		w.Comm[i] = int8(comm[i])
	}
	return w
}

// connect is the beginning of connect(), when the kernel has no local port yet.
func (k *sock) connect(pid uint32, comm string) *sock {
	t := k.tuple()
	t.LocalPort, t.Local = 0, netip.IPv4Unspecified().As16()
	k.synSent = 1
	k.s.record(event.Actor{Hdr: k.s.header(event.KindConnect, k.address), Actor: who(pid, comm), Tuple: t},
		"%s connect to %s", comm, k.remote)
	return k
}

func (k *sock) established() *sock {
	k.s.record(event.Established{Hdr: k.s.header(event.KindEstablished, k.address), Tuple: k.tuple()},
		"established %s > %s", k.local, k.remote)
	return k
}

func (k *sock) accepted() *sock {
	k.s.record(event.Established{Hdr: k.s.header(event.KindEstablished, k.address), Tuple: k.tuple(), Passive: 1},
		"accepted %s < %s", k.local, k.remote)
	return k
}

func (k *sock) actor(pid uint32, comm string) *sock {
	k.s.record(event.Actor{Hdr: k.s.header(event.KindActor, k.address), Actor: who(pid, comm), Tuple: k.tuple()},
		"%s uses %s", comm, k.local)
	return k
}

// listed is a line of a listing; s.listed() ends the listing.
func (k *sock) listed(pid uint32, comm string) *sock {
	e := event.Listed{
		Hdr: k.s.header(event.KindListed, 0), Cookie: k.cookie, Tuple: k.tuple(), State: 1, Proto: 6,
		BytesAcked: k.acked + k.synSent, BytesReceived: k.got,
	}
	if pid != 0 {
		e.Actor = who(pid, comm)
	}
	k.s.record(e, "listed %s > %s, acked %d, received %d", k.local, k.remote, e.BytesAcked, e.BytesReceived)
	return k
}

func (s *script) listingEnds(began time.Duration) {
	h := s.header(event.KindListed, 0)
	h.Time = uint64(began)
	s.record(event.Listed{Hdr: h}, "the listing that began at %s ends", ms(began))
}

func (s *script) lost(records, lifecycle, sent, received uint64) {
	s.record(event.Lost{
		Hdr: s.header(event.KindLost, 0), Records: records, Lifecycle: lifecycle, RequestsSent: sent, RequestsReceived: received,
	}, "lost %d records, %d of them lifecycle", records, lifecycle)
}

func (s *script) flowDrops(proto uint8, from, to string, packets uint64) {
	e := event.FlowDrops{Hdr: s.header(event.KindFlowDrops, 0), Packets: packets}
	e.Key = flowKey(proto, from, to)
	s.record(e, "%d packets dropped, %s > %s", packets, from, to)
}

// datagrams are a flow of datagrams that a socket sent.
func (s *script) datagrams(local, remote string, packets uint64) {
	e := event.Flow{Hdr: s.header(event.KindFlow, 0), Key: flowKey(17, local, remote)}
	e.Value.First, e.Value.Last, e.Value.Packets[0], e.Value.Bytes[0] = uint64(s.now), uint64(s.now), packets, packets*100
	s.record(e, "%d datagrams, %s > %s", packets, local, remote)
}

func flowKey(proto uint8, local, remote string) event.FlowKey {
	from, to := netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	return event.FlowKey{
		Proto: proto, Local: from.Addr().As16(), Remote: to.Addr().As16(), LocalPort: from.Port(), RemotePort: to.Port(),
	}
}

// part is what a segment tells of its bytes.
type part struct {
	head, tail string
	between    uint32 // bytes counted, not copied
	flags      uint8
	fin        bool
	lost       bool // the record found the ring full
}

func (k *sock) sent(text string) *sock     { return k.segment(event.DirSent, part{head: text}) }
func (k *sock) received(text string) *sock { return k.segment(event.DirReceived, part{head: text}) }
func (k *sock) sentFIN() *sock             { return k.segment(event.DirSent, part{fin: true}) }
func (k *sock) receivedFIN() *sock         { return k.segment(event.DirReceived, part{fin: true}) }
func (k *sock) lostSent(text string) *sock {
	return k.segment(event.DirSent, part{head: text, lost: true})
}
func (k *sock) lostReceived(text string) *sock {
	return k.segment(event.DirReceived, part{head: text, lost: true})
}

var directions = [2]string{"sent", "received"}

// segment writes the record of bytes that follow those before them, as segment() in payload.bpf.c does.
func (k *sock) segment(dir uint8, p part) *sock {
	d, o := &k.dirs[dir], &k.dirs[dir^1]
	e := k.facts(dir, p)
	if o.started {
		e.OtherNext = o.next
	}
	if e.Len > 0 && (!d.started || d.turnBegan != e.OtherNext) {
		e.Hdr.Flags |= event.SegmentTurn
		d.turnBegan = e.OtherNext
	}
	d.started = d.started || e.Len > 0
	d.next += e.Len
	if dir == event.DirSent {
		k.acked += uint64(e.Len)
	} else {
		k.got += uint64(e.Len)
	}
	if p.lost {
		k.lost++
		k.s.note("%s %s, but the record was lost", directions[dir], p)
		return k
	}
	return k.write(&e, p)
}

// facts fills what every segment of a socket says.
func (k *sock) facts(dir uint8, p part) event.Segment {
	e := event.Segment{
		Hdr: k.s.header(event.KindSegment, k.address), Cookie: k.cookie, Tuple: k.tuple(), Dir: dir,
		Seq: k.dirs[dir].next, Len: uint32(len(p.head)+len(p.tail)) + p.between,
		Lost: k.lost,
	}
	if dir == event.DirSent { // as segment_facts() in payload.bpf.c
		e.BytesAcked, e.BytesReceived, e.SrttUs = k.acked+k.synSent, k.got, 100
	}
	e.Hdr.Flags |= p.flags
	if p.fin {
		e.TcpFlags, k.dirs[dir].ended = event.TCPFin, true
	}
	return e
}

func (k *sock) write(e *event.Segment, p part) *sock {
	k.s.note("%s %s %s", k.local, directions[e.Dir], p)
	k.s.tracker.Record(event.MakeSegment(e, []byte(p.head), []byte(p.tail)))
	return k
}

func (p part) String() string {
	line, _, more := strings.Cut(p.head, "\r\n")
	text := fmt.Sprintf("%q", line)
	if more {
		text += fmt.Sprintf(" (%d)", len(p.head))
	}
	if p.between > 0 {
		text += fmt.Sprintf(" <%d> %q", p.between, p.tail)
	}
	if p.fin {
		text = strings.TrimPrefix(text+" FIN", `"" `)
	}
	return text
}

// States of a socket that is closed, include/net/tcp_states.h.
const (
	stEstablished = 1
	stSynSent     = 2
	stFinWait2    = 5
	stCloseWait   = 8
	stLastAck     = 9
)

// close is the end of the socket, from a TCP state and with an error.
func (k *sock) close(oldstate uint8, errno syscall.Errno) *sock {
	e := event.Close{
		Hdr: k.s.header(event.KindClose, k.address), Tuple: k.tuple(), Oldstate: oldstate, Err: int32(errno),
		BytesAcked: k.acked + k.synSent - uint64(k.ackedShort), BytesReceived: k.got,
		SndUna: k.dirs[0].next - k.ackedShort, SegsIn: 5, SegsOut: 6, SrttUs: 200,
	}
	for d := range k.dirs {
		if k.dirs[d].ended && d == 0 && k.ackedShort == 0 {
			e.BytesAcked++
			e.SndUna++
		} else if k.dirs[d].ended && d == 1 {
			e.BytesReceived++
		}
	}
	if oldstate == stSynSent {
		e.BytesAcked, e.SegsIn = 0, 0
	}
	k.s.record(e, "closed %s, state %d, %s", k.local, oldstate, errno.Error())
	return k
}

// written is the tracker's output, as text.
type written script

func (w *written) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

func end(e *model.Endpoint) string {
	if e.Process == nil {
		return e.Addr.String()
	}
	return fmt.Sprintf("%s(%s/%d)", e.Addr, e.Process.Name, e.Process.PID)
}

func (w *written) Request(r *model.Request) {
	h := r.HTTP
	if h == nil {
		h = &model.HTTP{Method: r.Protocol.String()}
	}
	w.line("request #%d %s %s > %s: %s %s %d, %s %s, %s..%s, bytes %d/%d, srtt %s", r.Conn, r.Role, end(&r.Client), end(&r.Server),
		h.Method, h.Path, h.Status, r.Outcome, r.Reason, ms(r.Start), ms(r.End), r.RequestBytes, r.ResponseBytes, r.TCP.SRTT)
}

func (w *written) Flow(f *model.Flow, d model.FlowDelta) {
	var marks []string
	for mark, is := range map[string]bool{"mid": f.JoinedMid} {
		if is {
			marks = append(marks, mark)
		}
	}
	if f.Drops > 0 {
		marks = append(marks, fmt.Sprintf("drops %d", f.Drops))
	}
	if d.Final {
		marks = append(marks, "final")
	}
	if f.View == model.ViewInterface {
		marks = append(marks, f.Interface)
	}
	w.line("flow #%d %s %s %s > %s: %s %s, bytes %d/%d (+%d/+%d), packets %d/%d (+%d/+%d), %s..%s %s %s", f.Conn, f.Transport,
		f.Role, end(&f.Client), end(&f.Server), f.State, f.Error, f.BytesSent, f.BytesReceived, d.BytesTransmitted,
		d.BytesReceived, f.PacketsSent, f.PacketsReceived, d.PacketsTransmitted, d.PacketsReceived,
		ms(f.Start), ms(f.End), f.Protocol, strings.Join(marks, " "))
}

func (w *written) Lost(l *model.Loss) {
	w.line("lost %d %s at %s, %s", l.Count, l.What, l.Where, l.Role)
}

func (w *written) Drops(name string, packets uint64) { w.line("dropped %d packets: %s", packets, name) }

// statsOf is the tracker's own account, as text.
func statsOf(t testing.TB, s *script) string {
	t.Helper()
	v := s.tracker.Stats()
	return fmt.Sprintf("open %d, opened %d, mid %d, refused %d, undecodable %d, requests %d, holes %d, stale %d",
		v.Open, v.Opened, v.JoinedMid, v.Refused, v.Undecodable, v.Requests, v.HolesGivenUp, v.Stale)
}
