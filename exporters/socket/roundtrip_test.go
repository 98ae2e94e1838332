// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/view"
)

var pages = []view.Page{
	view.PageServices, view.PageRoutes, view.PageRequests, view.PageFlows, view.PageConns, view.PageMap, view.PageProcesses,
	view.PageDNS, view.PageAgent, view.PageTrace, view.PageRequest,
}

func TestEveryFieldOfAQuestionAndItsAnswerArrives(t *testing.T) {
	c := here(t)
	var got view.Query
	var given view.Snapshot
	w := &world{snapshot: func(_ context.Context, q view.Query) (*view.Snapshot, error) {
		got = q
		answer := given
		return &answer, nil
	}}
	serve(t, c, w)
	client := dial(t, c.Path)
	for i, page := range pages {
		f := filler{int64(i) * 1000}
		var asked view.Query
		f.fill(reflect.ValueOf(&asked).Elem())
		asked.Page, asked.Limit = page, 17
		given = view.Snapshot{}
		f.fill(reflect.ValueOf(&given).Elem())
		answer, err := client.Snapshot(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		if got != asked {
			t.Errorf("page %s: asked\n%+v, and the world was asked\n%+v", page, asked, got)
		}
		want := given
		want.Mode, want.Source = "attached", c.Path
		if !reflect.DeepEqual(*answer, want) {
			t.Errorf("page %s: the world said\n%+v, and what arrived is\n%+v", page, want, *answer)
		}
	}
}

func TestEmptyAnswersArriveEmpty(t *testing.T) {
	c := here(t)
	serve(t, c, &world{})
	client := dial(t, c.Path)
	for _, page := range pages {
		got, err := client.Snapshot(t.Context(), view.Query{Page: page})
		if want := (&view.Snapshot{Page: page, Mode: "attached", Source: c.Path}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}

func TestFreezeThawAndValuesReachTheWorld(t *testing.T) {
	c := here(t)
	thawed := uint64(0)
	serve(t, c, &world{
		freeze: func() (uint64, error) { return math.MaxUint64, nil },
		thaw:   func(id uint64) error { thawed = id; return nil },
		values: func(flag string) ([]string, error) {
			if flag == "process & more" {
				return []string{"nginx", "curl"}, nil
			}
			return nil, nil
		},
	})
	client := dial(t, c.Path)
	if id, err := client.Freeze(t.Context()); id != math.MaxUint64 || err != nil {
		t.Errorf("frozen %d, %v", id, err)
	}
	if err := client.Thaw(t.Context(), math.MaxUint64); err != nil || thawed != math.MaxUint64 {
		t.Errorf("thawed %d, %v", thawed, err)
	}
	if got, err := client.Values(t.Context(), "process & more"); err != nil || !slices.Equal(got, []string{"nginx", "curl"}) {
		t.Errorf("values %v, %v", got, err)
	}
	if got, err := client.Values(t.Context(), "port"); err != nil || len(got) != 0 {
		t.Errorf("values %v, %v of a flag without", got, err)
	}
	if v := client.Agent(); v.Version != "test" || v.API != api || v.PID == 0 {
		t.Errorf("agent %+v", v)
	}
}

func TestErrorsOfTheWorldAreTheSameAtTheOtherEnd(t *testing.T) {
	c := here(t)
	var fails error
	w := &world{snapshot: func(context.Context, view.Query) (*view.Snapshot, error) { return nil, fails }}
	w.freeze = func() (uint64, error) { return 0, fails }
	w.thaw = func(uint64) error { return fails }
	w.values = func(string) ([]string, error) { return nil, fails }
	serve(t, c, w)
	client := dial(t, c.Path)
	all := []error{view.ErrBadQuery, view.ErrGone, view.ErrCannotNow}
	for _, x := range []struct{ given, is error }{
		{fmt.Errorf("%w: no page \"x\"", view.ErrBadQuery), view.ErrBadQuery},
		{fmt.Errorf("world 7: %w", view.ErrGone), view.ErrGone},
		{view.ErrCannotNow, view.ErrCannotNow},
		{errors.New("out of luck"), nil},
	} {
		fails = x.given
		_, err := client.Snapshot(t.Context(), view.Query{Page: view.PageMap})
		_, ferr := client.Freeze(t.Context())
		_, verr := client.Values(t.Context(), "process")
		for _, got := range []error{err, ferr, verr, client.Thaw(t.Context(), 1)} {
			if got == nil || got.Error() != x.given.Error() {
				t.Errorf("error %q, want %q", got, x.given)
			}
			for _, is := range all {
				if errors.Is(got, is) != (is == x.is) {
					t.Errorf("errors.Is(%v, %v) is %v", got, is, is != x.is)
				}
			}
		}
	}
}

func TestAnAnswerThatCannotBeWrittenIsAnError(t *testing.T) {
	c := here(t)
	serve(t, c, &world{snapshot: func(context.Context, view.Query) (*view.Snapshot, error) {
		return &view.Snapshot{Overview: view.Overview{Requests: math.NaN()}}, nil
	}})
	_, err := dial(t, c.Path).Snapshot(t.Context(), view.Query{Page: view.PageMap})
	if err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("error %v", err)
	}
}

// curl asks as a person does.
func curl(t *testing.T, path, method, target, body string) (status int, answer string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := got.Header.Get("Content-Type"); kind != "application/json" || !strings.HasSuffix(string(text), "}\n") {
		t.Errorf("%s %s: %s: %s", method, target, kind, text)
	}
	return got.StatusCode, string(text)
}

func TestPeopleAskWithCurl(t *testing.T) {
	c := here(t)
	var got view.Query
	w := &world{snapshot: func(_ context.Context, q view.Query) (*view.Snapshot, error) {
		got = q
		return &view.Snapshot{}, nil
	}}
	w.thaw = func(uint64) error { return view.ErrGone }
	serve(t, c, w)
	for _, x := range []struct {
		name, method, target, body string
		status                     int
		says                       string
		asked                      view.Query
	}{
		{"a page", "GET", "/v1/snapshot?page=services", "", 200, `"page"`, view.Query{Page: "services"}},
		{"all there is", "GET", "/v1/snapshot?page=conns&window=5m&filter=port+80+status%3E%3D500&sort=rtt&reverse=true&offset=3&limit=4&frozen=9" +
			"&service=a&route=GET+%2Fb&client=c&server=d&protocol=http&pid=7&conn=18446744073709551615&dns_name=e&trace=f&request=8", "", 200, `"page"`,
			view.Query{Page: "conns", Window: 5 * time.Minute, Filter: "port 80 status>=500", Sort: "rtt", Reverse: true, Offset: 3, Limit: 4,
				Frozen: 9, Within: view.Scope{Service: "a", Route: "GET /b", Client: "c", Server: "d", Protocol: "http", PID: 7,
					Conn: math.MaxUint64, DNSName: "e", Trace: "f", Request: 8}}},
		{"more than is given", "GET", "/v1/snapshot?page=conns&limit=1000000", "", 200, `"page"`, view.Query{Page: "conns", Limit: view.MaxLimit}},
		{"a body", "POST", "/v1/snapshot", `{"page":"dns","window_ns":60000000000,"within":{"dns_name":"x"}}`, 200, `"page"`,
			view.Query{Page: "dns", Window: time.Minute, Within: view.Scope{DNSName: "x"}}},
		{"no page", "GET", "/v1/snapshot", "", 400, `{"error":"bad query: there is no page \"\"","code":"bad_query"}`, view.Query{}},
		{"a page that is none", "GET", "/v1/snapshot?page=x", "", 400, `there is no page \"x\"`, view.Query{}},
		{"a misspelt parameter", "GET", "/v1/snapshot?page=dns&windw=1m", "", 400, `there is no parameter \"windw\": choose from client, conn,`, view.Query{}},
		{"one given twice", "GET", "/v1/snapshot?page=dns&pid=1&pid=2", "", 400, `pid is given 2 times`, view.Query{}},
		{"a window that is none", "GET", "/v1/snapshot?page=dns&window=soon", "", 400, `window=\"soon\": `, view.Query{}},
		{"broken percents", "GET", "/v1/snapshot?page=%zz", "", 400, `invalid URL escape`, view.Query{}},
		{"a misspelt field", "POST", "/v1/snapshot", `{"page":"dns","windw":1}`, 400, `unknown field \"windw\"`, view.Query{}},
		{"two questions", "POST", "/v1/snapshot", `{"page":"dns"} {"page":"map"}`, 400, `something behind`, view.Query{}},
		{"nothing", "POST", "/v1/snapshot", ``, 400, `the body is empty`, view.Query{}},
		{"no JSON", "POST", "/v1/snapshot", `page=dns`, 400, `invalid character`, view.Query{}},
		{"far too much", "POST", "/v1/snapshot", `{"page":"dns","filter":"` + strings.Repeat("x", maxQuery) + `"}`, 400, `more than 65536 bytes`, view.Query{}},
		{"a path that is none", "GET", "/", "", 404, `ask for POST /v1/snapshot, GET /v1/snapshot, POST /v1/freeze`, view.Query{}},
		{"a way that is none", "PUT", "/v1/freeze", "", 404, `there is no PUT /v1/freeze`, view.Query{}},
		{"an identifier that is none", "DELETE", "/v1/frozen/x", "", 400, `no identifier`, view.Query{}},
		{"a world that is gone", "DELETE", "/v1/frozen/3", "", 410, `"code":"gone"`, view.Query{}},
		{"who is there", "GET", "/v1/version", "", 200, `"version":"test","api":1,"pid":`, view.Query{}},
	} {
		t.Run(x.name, func(t *testing.T) {
			got = view.Query{}
			status, says := curl(t, c.Path, x.method, x.target, x.body)
			if status != x.status || !strings.Contains(says, x.says) {
				t.Errorf("status %d, %s\nwant %d, %s", status, says, x.status, x.says)
			}
			if got != x.asked {
				t.Errorf("asked %+v\nwant %+v", got, x.asked)
			}
		})
	}
}

func FuzzQueriesAreReadOrRefused(f *testing.F) {
	f.Add(`{"page":"services","window_ns":60000000000,"filter":"port 80","within":{"pid":1}}`)
	f.Add(`page=conns&window=5m&reverse=true&limit=1000000&conn=18446744073709551615`)
	f.Add(`{"page":"map","limit":-1}{}`)
	f.Add("page=%zz;a=b")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := decodeQuery(strings.NewReader(text))
		check(t, q, err)
		u, uerr := parseQuery(text)
		check(t, u, uerr)
	})
}

func check(t *testing.T, q view.Query, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, view.ErrBadQuery) {
			t.Errorf("%v is no bad query", err)
		}
		return
	}
	if !slices.Contains(pages, q.Page) || q.Limit > view.MaxLimit {
		t.Errorf("taken: %+v", q)
	}
}
