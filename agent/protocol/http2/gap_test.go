// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"sonde/agent/protocol"
)

// answerWith is a request and the head of its answer, with a body in one frame.
func answerWith(body string, ends bool) *talk {
	k := newTalk().begin().request(1, "/a", end).answer(1, "200", open)
	return k.data(k.server, 1, body, ends)
}

// callWith is a call with an answer of one frame.
func callWith(body string) *talk {
	k := newTalk().begin().call(1, "p.S/M").accept(1)
	return k.data(k.server, 1, body, open)
}

func TestGapsInData(t *testing.T) {
	body := strings.Repeat("b", 100)
	runTalks(t, []talkTest{
		{name: "in a body", talk: answerWith(body, end).cut(20, 90), want: "GET /a 200 ok"},
		{name: "to the end of a body", talk: answerWith(body, end).cut(20, 0).request(3, "/b", end).answer(3, "200", end), want: "GET /a 200 ok\nGET /b 200 ok"},
		{name: "behind the header of a frame", talk: answerWith(body, end).cut(9, 0), want: "GET /a 200 ok"},
		{name: "in a message", talk: callWith(message(100)+message(5)).cut(14, 114).trailers(1, "0"), want: "grpc p.S/M 200 status 0 messages 0/2 ok"},
		{name: "over the prefix of a message", talk: callWith(message(100)+message(5)).cut(14, 115).trailers(1, "0"),
			want: "grpc p.S/M 200 status 0 messages 0/1 at least ok"},
		{name: "over a message, and one that fills its frame", want: "grpc p.S/M 200 status 0 messages 0/1 at least ok",
			talk: func() *talk {
				k := callWith(message(10)).cut(9, 0)
				return k.data(k.server, 1, message(10), open).trailers(1, "0")
			}()},
	})
}

func TestGaps(t *testing.T) {
	body := strings.Repeat("b", 100)
	lostFrames := func(k *talk) *talk { return k.data(k.server, 1, body, open).drop() }

	headCut := newTalk().begin().request(1, "/a", end).cut(14, 20).answer(1, "200", end)
	headCut.request(3, "/b", end).answer(3, "404", end)

	answerCut := newTalk().begin().request(1, "/a", end).answer(1, "200", end).request(3, "/a", end).answer(3, "200", end).cut(9, 10)
	answerCut.request(5, "/a", end).answer(5, "404", end).request(7, "/a", end).answer(7, "404", end)

	resetCut := newTalk().begin().call(1, "p.S/M")
	resetCut.reset(resetCut.server, 1, 8).cut(9, 11)

	inTail := lostFrames(newTalk().begin().request(1, "/a", end).answer(1, "200", open))
	tail := inTail.data(inTail.server, 1, "", end).calls[len(inTail.calls)-1].p
	inTail.calls[len(inTail.calls)-1].p = append([]byte("zzzzzzzzzzzzzzzzzzzz"), tail...)

	runTalks(t, []talkTest{
		{name: "in the head of a request", talk: headCut, want: "GET - 200 ok cut\nGET /b 404 ok cut"},
		{name: "in the head of an answer", talk: answerCut,
			want: "GET /a 200 ok\nGET /a 0 incomplete status_unknown\nGET /a 404 ok\nGET /a 404 ok"},
		{name: "in the code of a reset", talk: resetCut, want: "grpc p.S/M 0 status -1 messages 0/0 incomplete stream_reset"},
		{name: "over a request: its answer finds none", want: "GET /b 200 ok cut",
			talk: newTalk().begin().request(1, "/a", end).drop().answer(1, "200", end).request(3, "/b", end).answer(3, "200", end)},
		{name: "over an answer", close: true, want: "GET /b 200 ok\nGET /a 0 incomplete lost",
			talk: newTalk().begin().request(1, "/a", end).answer(1, "200", end).drop().request(3, "/b", end).answer(3, "200", end)},
		{name: "over a head, and the stream goes on", want: "GET /a 0 incomplete status_unknown",
			talk: func() *talk {
				k := newTalk().begin().request(1, "/a", end).answer(1, "200", open).drop()
				return k.data(k.server, 1, "x", end)
			}()},
		{name: "over frames, and the stream ends", want: "GET /a 200 ok",
			talk: func() *talk {
				k := lostFrames(newTalk().begin().request(1, "/a", end).answer(1, "200", open))
				return k.data(k.server, 1, "x", end)
			}()},
		{name: "over frames, and the stream ends in the tail of a segment", talk: inTail, want: "GET /a 200 ok"},
		{name: "in the client's frames of a call: its messages are too few", want: "grpc p.S/M 200 status 0 messages 1/0 at least ok",
			talk: func() *talk {
				k := newTalk().begin().call(1, "p.S/M")
				k.data(k.client, 1, message(3), open).drop().data(k.client, 1, message(3), end)
				return k.accept(1).trailers(1, "0")
			}()},
		{name: "over frames, and a larger frame begins in the middle of a segment", want: "GET /a 200 ok",
			talk: func() *talk {
				k := lostFrames(newTalk().begin().request(1, "/a", end).answer(1, "200", open))
				k.data(k.server, 1, strings.Repeat("b", 300), end)
				last := len(k.calls) - 1
				p := k.calls[last].p
				k.calls[last].p = append([]byte(strings.Repeat("z", 30)), p[:100]...)
				k.calls = append(k.calls, call{dir: protocol.Sent, p: p[100:]})
				return k
			}()},
		{name: "over frames, and the server gives up", want: "GET /a 200 incomplete stream_reset CANCEL",
			talk: func() *talk {
				k := lostFrames(newTalk().begin().request(1, "/a", end).answer(1, "200", open))
				return k.reset(k.server, 1, 8)
			}()},
		{name: "over a frame, and the trailers refer to the table", want: "grpc p.S/M 200 status 0 messages 0/0 ok\ngrpc p.S/M 200 status -1 messages 0/0 at least incomplete status_unknown",
			talk: func() *talk {
				k := newTalk().begin().call(1, "p.S/M").accept(1).trailers(1, "0").call(3, "p.S/M").accept(3)
				k.server.framer.WritePing(false, [8]byte{})
				return k.pass(k.server).drop().trailers(3, "0")
			}()},
		{name: "behind the end of the client's frames", want: "grpc p.S/M 200 status 0 messages 1/0 ok",
			talk: func() *talk {
				k := newTalk().begin().call(1, "p.S/M")
				k.data(k.client, 1, message(3), end).request(3, "/lost", end).drop()
				return k.accept(1).trailers(1, "0")
			}()},
	})
}

func TestStreamsInDoubtAreGivenUpLater(t *testing.T) {
	k := newTalk().begin().request(1, "/a", end).request(3, "/b", end).answer(1, "200", end).drop()
	o := observe(protocol.Start{}).run(k.calls)
	n := len(k.calls)
	o.run(k.answer(3, "200", open).request(5, "/c", end).calls[n:])
	if o.lines() != "" {
		t.Fatalf("got %s", o.lines())
	}
	n = len(k.calls)
	o.now += doubtTime
	o.run(k.request(7, "/d", end).calls[n:])
	if got, want := o.lines(), "GET /a 0 incomplete lost"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if o.got[0].End < doubtTime {
		t.Errorf("at %v", o.got[0].End)
	}
}

func TestJoinedInTheMiddle(t *testing.T) {
	whole := newTalk().begin()
	for i := range uint32(3) {
		whole.request(2*i+1, "/a", end).answer(2*i+1, "418", end)
	}
	whole.request(7, "/new", end).answer(7, "200", end).request(9, "/new", end).answer(9, "418", end)
	calls := newTalk().begin().call(1, "p.S/M").accept(1).trailers(1, "0")
	n := len(calls.calls)
	calls.call(3, "p.S/M").accept(3).trailers(3, "0").call(5, "p.S/New").accept(5).trailers(5, "7")

	const trailersOnly = ":status= 200\ncontent-type= application/grpc\ngrpc-status= 12"
	messages := newTalk().begin().call(1, "p.S/M").accept(1).trailers(1, "0")
	before := len(messages.headers(messages.server, 1, trailersOnly, end).calls)
	messages.call(3, "p.S/M").data(messages.client, 3, message(3), end).accept(3).data(messages.server, 3, message(4), open).trailers(3, "0")
	messages.call(5, "p.S/M").data(messages.client, 5, message(3), end).headers(messages.server, 5, trailersOnly, end)
	messages.call(7, "p.S/M").data(messages.client, 7, message(3), open).reset(messages.client, 7, 8)
	messages.call(9, "p.S/M").data(messages.client, 9, `{"a": 1}`, end).accept(9).trailers(9, "0")

	runTalks(t, []talkTest{
		{name: "a path from before is unknown, one that came since is known", start: protocol.Start{Joined: true},
			talk: &talk{calls: whole.calls[5:]}, // behind the first exchange
			want: "GET - 0 incomplete status_unknown cut\nGET - 0 incomplete status_unknown cut\nGET /new 200 ok cut\nGET /new 0 incomplete status_unknown cut"},
		{name: "an answer without its request", start: protocol.Start{Joined: true}, talk: &talk{calls: whole.calls[4:5]}, close: true, want: ""},
		{name: "trailers from before are no request", start: protocol.Start{Joined: true}, close: true, want: "",
			talk: func() *talk { k := newTalk().answer(5, "200", end); return k.headers(k.client, 7, "checksum= 1", end) }()},
		{name: "a segment that begins with a frame of another stream, cut in the next header", start: protocol.Start{Joined: true},
			talk: func() *talk {
				k := newTalk().request(3, "/a", end)
				k.server.framer.WriteData(1, false, make([]byte, 100))
				k.server.framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 3, EndHeaders: true, EndStream: true, BlockFragment: k.server.fields(":status= 200")})
				k.pass(k.server)
				p := k.calls[1].p
				k.calls = append(k.calls[:1], call{dir: protocol.Sent, p: p[:60]}, call{dir: protocol.Sent, p: p[60:113]}, call{dir: protocol.Sent, p: p[113:]})
				return k
			}(), want: "GET /a 200 ok"},
		{name: "the preface, in pieces", start: protocol.Start{Joined: true}, talk: &talk{calls: pieces(whole.calls, 3)},
			want: strings.Repeat("GET /a 418 ok\n", 3) + "GET /new 200 ok\nGET /new 418 ok"},
		{name: "calls whose content type is from before are calls by their messages", start: protocol.Start{Joined: true},
			talk: &talk{calls: messages.calls[before:]}, close: true,
			want: "grpc - 200 status -1 messages 1/1 incomplete status_unknown cut\ngrpc - 200 status -1 messages 1/0 incomplete status_unknown cut\n" +
				"grpc - 0 status -1 messages 1/0 incomplete cancelled CANCEL cut\nPOST - 200 ok cut"},
		{name: "and HTTP without any", start: protocol.Start{Joined: true}, talk: &talk{calls: calls.calls[n:]},
			want: "POST - 200 ok cut\nPOST /p.S/New 200 ok cut"},
		{name: "the preface, all the same", start: protocol.Start{Joined: true}, talk: whole,
			want: strings.Repeat("GET /a 418 ok\n", 3) + "GET /new 200 ok\nGET /new 418 ok"},
	})
}

func TestTheBeginningOfALostAnswerIsUnknown(t *testing.T) {
	k := newTalk().begin().call(1, "p.S/M").accept(1).drop().trailers(1, "0", "x= 1")
	o := observe(protocol.Start{}).run(k.calls)
	if got, want := o.lines(), "grpc p.S/M 0 status 0 messages 0/0 at least ok"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if at := o.got[0].ResponseStart; at != 0 {
		t.Errorf("at %v", at)
	}
}
