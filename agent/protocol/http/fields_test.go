// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/http"
)

func TestTargetsAndFields(t *testing.T) {
	for name, c := range map[string]struct {
		head string
		want model.HTTP
	}{
		"origin-form": {"GET /a/b?c=d&e?f HTTP/1.1\r\nHost: h:8080\r\nUser-Agent:  wrk/4 x \r\n\r\n",
			model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/a/b", Query: "c=d&e?f", Host: "h:8080", UserAgent: "wrk/4 x"}},
		"absolute-form wins over Host": {"GET HTTP://a.org:81/p?q HTTP/1.1\r\nHost: b.org\r\n\r\n",
			model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/p", Query: "q", Host: "a.org:81"}},
		"absolute-form without a path": {"OPTIONS https://a.org HTTP/1.1\r\n\r\n",
			model.HTTP{Version: "1.1", Method: "OPTIONS", Scheme: "https", Path: "/", Host: "a.org"}},
		"absolute-form with a query alone": {"GET http://a.org?q HTTP/1.1\r\n\r\n",
			model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/", Query: "q", Host: "a.org"}},
		"credentials in the target are not kept": {"GET http://me:secret@a.org/p HTTP/1.1\r\n\r\n",
			model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/p", Host: "a.org"}},
		"authority-form": {"CONNECT a.org:443 HTTP/1.1\r\nHost: b.org\r\n\r\n",
			model.HTTP{Version: "1.1", Method: "CONNECT", Scheme: "http", Host: "a.org:443"}},
		"asterisk-form": {"OPTIONS * HTTP/1.0\r\nhOST:h\r\n\r\n",
			model.HTTP{Version: "1.0", Method: "OPTIONS", Scheme: "http", Path: "*", Host: "h"}},
		"a target that holds another URL is origin-form": {"GET /?u=http://x/y HTTP/1.1\r\n\r\n",
			model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/", Query: "u=http://x/y"}},
		"a target with spaces is kept whole": {"GET /a b HTTP/1.1\r\n\r\n",
			model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/a b"}},
		"names that only begin alike": {"GET /a HTTP/1.1\r\nHosts: a\r\nX-Host: b\r\nUser-Agents: c\r\nHOST:\th\r\n\r\n",
			model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/a", Host: "h"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := play([]act{client(c.head), closed()})
			if len(got) != 1 || *got[0].HTTP != c.want {
				t.Errorf("got %+v\nwant %+v", got[0].HTTP, c.want)
			}
		})
	}
}

func TestLongValuesAreCutToTheirLimits(t *testing.T) {
	long, field := strings.Repeat("a", http1.MaxPath+1), strings.Repeat("b", 300)
	got := play([]act{client("GET /" + long + "?" + long + " HTTP/1.1\r\nHost: " + field + "\r\nUser-Agent: " + field + "\r\n\r\n"), closed()})
	h := got[0].HTTP
	if len(h.Path) != http1.MaxPath || len(h.Query) != http1.MaxPath || len(h.Host) != 256 || len(h.UserAgent) != 256 {
		t.Errorf("kept %d, %d, %d and %d bytes", len(h.Path), len(h.Query), len(h.Host), len(h.UserAgent))
	}
}

func TestUpgradeIsNamed(t *testing.T) {
	got := play([]act{client(getA), server(upOK), server("anything"), closed()})
	if len(got) != 1 || got[0].HTTP.Upgrade != "websocket" || got[0].HTTP.Status != 101 {
		t.Errorf("got %+v", got[0].HTTP)
	}
}

// swapped is a script as the other end of the connection sees it.
func swapped(script []act) []act {
	other := append([]act(nil), script...)
	for i := range other {
		other[i].dir = other[i].dir.Other()
	}
	return other
}

func TestRoleFollowsTheDirectionOfRequests(t *testing.T) {
	script := []act{client(getA), server(no0), closed()}
	atServer, atClient := play(script)[0], play(swapped(script))[0]
	if atServer.Role != model.RoleServer || atServer.Outcome != model.OutcomeOK {
		t.Errorf("at the server: role %v, 404 is %v", atServer.Role, atServer.Outcome)
	}
	if atClient.Role != model.RoleClient || atClient.Outcome != model.OutcomeError {
		t.Errorf("at the client: role %v, 404 is %v", atClient.Role, atClient.Outcome)
	}
}

func TestClientThatEndsItsDirectionIsCompleteAtOnce(t *testing.T) {
	n := 0
	c := http1.NewShared(func(*model.Request) { n++ }).New()
	for i, a := range swapped([]act{client(getA), clientEOF(), server(ok5)}) {
		a.do(c, time.Duration(i))
	}
	if n != 1 || c.Pending() != 0 {
		t.Errorf("%d requests reported, %d pending", n, c.Pending())
	}
}

func TestServerHoldsTheAnswerOfAClientThatEndedUntilClose(t *testing.T) {
	n := 0
	c := http1.NewShared(func(*model.Request) { n++ }).New()
	for i, a := range []act{client(getA), clientEOF(), server(ok5)} {
		a.do(c, time.Duration(i))
	}
	if n != 0 || c.Pending() != 1 {
		t.Errorf("%d requests reported, %d pending before Close", n, c.Pending())
	}
	c.Close(protocol.Close{Reason: "connection_closed"})
	if n != 1 || c.Pending() != 0 {
		t.Errorf("%d requests reported, %d pending after Close", n, c.Pending())
	}
}

func TestQueueIsBoundedAndKeepsItsPairs(t *testing.T) {
	more := 40
	var answers strings.Builder
	for range http1.MaxQueue + more {
		answers.WriteString(no0)
	}
	got := play([]act{
		client(strings.Repeat(getA, http1.MaxQueue) + strings.Repeat(getB, more)), server(answers.String()),
		client(getC), server(ok5), closed(),
	})
	count := map[string]int{}
	for i := range got {
		count[got[i].HTTP.Path+" "+got[i].Outcome.String()+" "+got[i].Reason]++
	}
	if len(count) != 3 || count["/a ok "] != http1.MaxQueue || count["/b incomplete pipeline_limit"] != more || count["/c ok "] != 1 {
		t.Errorf("got %v", count)
	}
}

func TestRequestKnowsHowManyWait(t *testing.T) {
	c := http1.NewShared(func(*model.Request) {}).New()
	for i, a := range []act{client(getA + getB + getC), server(ok5)} {
		a.do(c, time.Duration(i))
	}
	if c.Pending() != 2 {
		t.Errorf("%d pending, want 2", c.Pending())
	}
}
