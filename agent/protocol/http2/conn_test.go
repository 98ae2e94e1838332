// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"reflect"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

func TestRequestsAndAnswers(t *testing.T) {
	padded := newTalk().begin()
	padded.client.framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: padded.client.fields(":method= PUT\n:scheme= http\n:path= /p"),
		EndHeaders: true, PadLength: 7, Priority: xhttp2.PriorityParam{Weight: 3, StreamDep: 0}})
	padded.pass(padded.client)
	padded.client.framer.WriteDataPadded(1, end, []byte("abc"), make([]byte, 9))
	padded.pass(padded.client).answer(1, "201", end)

	continued := newTalk().begin()
	block := continued.client.fields(":method= GET\n:scheme= http\n:path= /c\nuser-agent= x")
	continued.client.framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:3], EndStream: true})
	continued.client.framer.WriteContinuation(1, false, block[3:3])
	continued.client.framer.WriteContinuation(1, true, block[3:])
	continued.pass(continued.client).answer(1, "200", end)

	pushed := newTalk().begin().request(1, "/a", end)
	pushed.server.framer.WritePushPromise(xhttp2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true,
		BlockFragment: pushed.server.fields(":method= GET\n:scheme= http\n:path= /pushed")})
	pushed.pass(pushed.server).answer(2, "200", end).answer(1, "404", end).request(3, "/b", end).answer(3, "404", end)

	others := newTalk().begin()
	for _, p := range []*peer{others.client, others.server} {
		p.framer.WritePing(false, [8]byte{1})
		p.framer.WriteWindowUpdate(0, 1000)
		p.framer.WritePriority(9, xhttp2.PriorityParam{StreamDep: 1})
		p.framer.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingHeaderTableSize, Val: 100})
		p.framer.WriteRawFrame(0xbe, 0xff, 77, []byte("of an unknown type"))
		others.pass(p)
	}
	others.request(1, "/a", end).answer(1, "200", end)

	inOrder := newTalk().begin().request(1, "/a", end).answer(1, "200", open)
	inOrder.data(inOrder.server, 1, "body", open).data(inOrder.server, 1, "", end)

	runTalks(t, []talkTest{
		{name: "one", talk: newTalk().begin().request(1, "/a?x=1", end).answer(1, "200", end), want: "GET /a 200 ok"},
		{name: "with a body", talk: inOrder, want: "GET /a 200 ok"},
		{name: "answers in another order", want: "GET /b 500 error\nGET /a 200 ok",
			talk: newTalk().begin().request(1, "/a", end).request(3, "/b", end).answer(3, "500", end).answer(1, "200", end)},
		{name: "interim answers", talk: newTalk().begin().request(1, "/a", end).answer(1, "103", open).answer(1, "100", open).answer(1, "200", end), want: "GET /a 200 ok"},
		{name: "padding and priority", talk: padded, want: "PUT /p 201 ok"},
		{name: "a head in three frames", talk: continued, want: "GET /c 200 ok"},
		{name: "a pushed answer is none, and its head counts for the table", talk: pushed, want: "GET /a 404 ok\nGET /b 404 ok"},
		{name: "frames that matter to nobody", talk: others, want: "GET /a 200 ok"},
		{name: "trailers of the client", want: "GET /a 200 ok",
			talk: func() *talk {
				k := newTalk().begin().request(1, "/a", open)
				return k.data(k.client, 1, "x", open).headers(k.client, 1, "checksum= 1", end).answer(1, "200", end)
			}()},
		{name: "an answer before the end of the request", talk: newTalk().begin().request(1, "/a", open).answer(1, "413", end), want: "GET /a 413 ok"},
		{name: "frames behind the end of a stream", want: "GET /a 200 ok\nGET /b 200 ok",
			talk: func() *talk {
				k := newTalk().begin().request(1, "/a", open).answer(1, "200", end)
				return k.data(k.client, 1, "x", end).reset(k.client, 1, xhttp2.ErrCodeNo).request(3, "/b", end).answer(3, "200", end)
			}()},
		{name: "CONNECT has no path", want: "CONNECT - 200 ok",
			talk: func() *talk {
				k := newTalk().begin()
				return k.headers(k.client, 1, ":method= CONNECT\n:authority= example.org:443", open).answer(1, "200", end)
			}()},
	})
}

func TestRequestsWithoutAnEnd(t *testing.T) {
	runTalks(t, []talkTest{
		{name: "closed before the answer", talk: newTalk().begin().request(1, "/a", end).request(3, "/b", end).answer(3, "200", open), close: true,
			want: "GET /a 0 incomplete connection_closed\nGET /b 200 incomplete connection_closed"},
		{name: "the client gives up", want: "GET /a 0 incomplete cancelled CANCEL",
			talk: func() *talk {
				k := newTalk().begin().request(1, "/a", end)
				return k.reset(k.client, 1, xhttp2.ErrCodeCancel)
			}()},
		{name: "the server gives up", want: "GET /a 200 incomplete stream_reset INTERNAL_ERROR",
			talk: func() *talk {
				k := newTalk().begin().request(1, "/a", end).answer(1, "200", open)
				return k.reset(k.server, 1, xhttp2.ErrCodeInternal)
			}()},
		{name: "the server goes away", want: "GET /b 0 incomplete goaway ENHANCE_YOUR_CALM\nGET /a 200 ok",
			talk: newTalk().begin().request(1, "/a", end).request(3, "/b", end).goAway(1<<31-1, 0).goAway(1, xhttp2.ErrCodeEnhanceYourCalm).answer(1, "200", end)},
	})
}

func TestFramesOutOfOrder(t *testing.T) {
	runTalks(t, []talkTest{
		{name: "trailers behind the end of a stream", want: "GET /a 413 ok",
			talk: func() *talk {
				k := newTalk().begin().request(1, "/a", open).answer(1, "413", end)
				return k.headers(k.client, 1, "checksum= 1", end)
			}(), close: true},
		{name: "a second status is none", want: "GET /a 200 ok", talk: newTalk().begin().request(1, "/a", end).answer(1, "200", open).answer(1, "500", end)},
		{name: "settings in the middle change nothing", want: "GET /a 200 ok\nGET /a 418 ok\nGET /a 418 ok",
			talk: func() *talk {
				k := newTalk().begin().request(1, "/a", end).answer(1, "200", end).request(3, "/a", end).answer(3, "418", end)
				k.client.framer.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingHeaderTableSize, Val: 4096})
				k.server.framer.WriteSettings()
				return k.pass(k.client).pass(k.server).request(5, "/a", end).answer(5, "418", end)
			}()},
		{name: "a frame in the middle of a head", want: "GET /c 200 ok cut\nGET /d 200 ok",
			talk: func() *talk {
				k := newTalk().begin()
				k.client.framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, EndStream: true, BlockFragment: k.client.fields(":method= GET\n:scheme= http\n:path= /c")})
				k.client.framer.WritePing(false, [8]byte{})
				k.pass(k.client).answer(1, "200", end)
				k.client.framer.WriteHeaders(headersOf(k, 3, "/d"))
				return k.pass(k.client).answer(3, "200", end)
			}()},
		{name: "a continuation of nothing", want: "GET /a 200 ok",
			talk: func() *talk {
				k := newTalk().begin()
				k.client.framer.WriteContinuation(1, true, []byte("\x82"))
				return k.pass(k.client).request(3, "/a", end).answer(3, "200", end)
			}()},
	})
}

func TestFieldsOfARequest(t *testing.T) {
	k := newTalk().begin()
	k.headers(k.client, 1, ":method= POST\n:scheme= https\n:path= /a/b?c=d?e\n:authority= example.org:8443\nhost= other\nuser-agent= curl/8", open)
	k.data(k.client, 1, "12345", open).data(k.client, 1, "67", end).answer(1, "204", open).data(k.server, 1, "abc", end)
	o := observe(protocol.Start{}).run(k.calls)
	if len(o.got) != 1 {
		t.Fatalf("%d requests", len(o.got))
	}
	r, size := o.got[0], func(from, to int) (n uint64) {
		for _, c := range k.calls[from:to] {
			n += uint64(len(c.p))
		}
		return n
	}
	h := model.HTTP{Version: "2", Method: "POST", Scheme: "https", Path: "/a/b", Query: "c=d?e", Host: "example.org:8443", UserAgent: "curl/8",
		Status: 204, RequestBodyBytes: 7, ResponseBodyBytes: 3}
	if *r.HTTP != h {
		t.Errorf("got %+v\nwant %+v", *r.HTTP, h)
	}
	r.HTTP = nil
	want := model.Request{Protocol: model.ProtocolHTTP, Role: model.RoleServer, Outcome: model.OutcomeOK, RequestBytes: size(3, 6), ResponseBytes: size(6, 8),
		Start: 4 * time.Millisecond, RequestEnd: 6 * time.Millisecond, ResponseStart: 7 * time.Millisecond, End: 8 * time.Millisecond}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v\nwant %+v", r, want)
	}
}

func TestPushedHeadsAreNoPartOfAnAnswer(t *testing.T) {
	k := newTalk().begin().request(1, "/a", end)
	k.server.framer.WritePushPromise(xhttp2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true, BlockFragment: k.server.fields("x= y")})
	k.pass(k.server).answer(1, "200", end)
	o := observe(protocol.Start{}).run(k.calls)
	if got, want := o.lines(), "GET /a 200 ok"; got != want || o.got[0].ResponseBytes != uint64(len(k.calls[5].p)) {
		t.Errorf("got %s, %d bytes", got, o.got[0].ResponseBytes)
	}
}

func TestTheObservedSocketMayBeTheClients(t *testing.T) {
	k := newTalk().begin().request(1, "/a", end).answer(1, "404", end)
	for i := range k.calls {
		k.calls[i].dir = k.calls[i].dir.Other()
	}
	o := observe(protocol.Start{}).run(k.calls)
	if len(o.got) != 1 || o.got[0].Role != model.RoleClient || o.got[0].Outcome != model.OutcomeError {
		t.Errorf("got %s", o.lines())
	}
}

func TestUpgrade(t *testing.T) {
	first := &model.Request{Start: 7, RequestEnd: 8, RequestBytes: 100, ResponseBytes: 70, End: 9,
		HTTP: &model.HTTP{Version: "1.1", Method: "GET", Path: "/up", Status: 101, Upgrade: "h2c"}}
	k := newTalk().begin().answer(1, "200", end).request(3, "/b", end).answer(3, "200", end)
	o := observe(protocol.Start{Upgrade: first, Client: protocol.Received}).run(k.calls)
	if got, want := o.lines(), "GET /up 200 ok\nGET /b 200 ok"; got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	r := o.got[0]
	if r.Start != 7 || r.RequestBytes != 100 || r.HTTP.Version != "2" || r.HTTP.Upgrade != "" || r.ResponseStart != 4*time.Millisecond {
		t.Errorf("got %+v %+v", r, r.HTTP)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	k := newTalk().begin()
	for i := range uint32(MaxStreams + 2) {
		k.request(2*i+1, "/a", end)
	}
	o := observe(protocol.Start{}).run(k.calls)
	if got, want := o.lines(), strings.Repeat("GET /a 0 incomplete stream_limit\n", 2); got+"\n" != want {
		t.Errorf("got\n%s", got)
	}
	if o.conn.Pending() != MaxStreams {
		t.Errorf("%d wait", o.conn.Pending())
	}
}
