// SPDX-License-Identifier: Apache-2.0

package summary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"sonde/agent/model"
	"sonde/testbed/reviewed"
)

var testClock = model.Clock{Boot: time.Date(2026, 5, 4, 11, 58, 30, 0, time.UTC)}

func status(b []byte, r *model.Request) []byte {
	if r.HTTP == nil || r.HTTP.Status == 0 {
		return append(b, '-')
	}
	return strconv.AppendInt(b, int64(r.HTTP.Status), 10)
}

func by(keys string) Config {
	c := Default()
	c.By, c.Status = strings.Split(keys, ","), status
	return c
}

var (
	shop = model.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.2:8080"), Process: &model.Process{PID: 20, Name: "node", ServiceName: "shop"}}
	curl = model.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:40000"), Process: &model.Process{PID: 10, Name: "curl", ServiceName: "curl"}}
	far  = model.Endpoint{Addr: netip.MustParseAddrPort("192.0.2.7:443")}
)

// feed counts 300 requests of two routes seen at the server, 20 calls to elsewhere, and 3 lookups.
func feed(s *Summary) {
	at := 90 * time.Second
	for i := range 300 {
		r := model.Request{
			Protocol: model.ProtocolHTTP, Role: model.RoleServer, Client: curl, Server: shop, Start: at, End: at + time.Duration(i+1)*time.Millisecond,
			RequestBytes: 100, ResponseBytes: 900, HTTP: &model.HTTP{Method: "GET", Path: fmt.Sprint("/users/", i), Route: "/users/{id}", Status: 200},
		}
		switch {
		case i%3 == 0:
			r.HTTP.Method, r.HTTP.Route = "POST", "/orders"
		case i%10 == 1:
			r.HTTP.Status, r.Outcome = 500, model.OutcomeError
		case i == 299:
			r.Outcome, r.Reason = model.OutcomeIncomplete, "connection_reset"
		}
		s.Request(&r)
		at += 33 * time.Millisecond
	}
	for range 20 {
		r := model.Request{
			Protocol: model.ProtocolHTTP, Role: model.RoleClient, Client: curl, Server: far, Start: at, End: at + 40*time.Microsecond,
			RequestBytes: 1, ResponseBytes: 1 << 20, HTTP: &model.HTTP{Method: "GET", Path: "/\x1b[2J é", Host: "user:secret@far.example", Status: 200},
		}
		s.Request(&r)
	}
	for i := range 3 {
		s.Request(&model.Request{
			Protocol: model.ProtocolDNS, Role: model.RoleWire, Client: curl, Server: far, Start: at, End: at + time.Duration(i)*time.Second,
			Outcome: model.Outcome(i), ErrorType: []string{"", "nxdomain", ""}[i], DNS: &model.DNS{Name: "shop.example", Type: "A"},
		})
	}
	s.Tick(110 * time.Second)
}

var goldens = []struct {
	file string
	keys string
	top  int
	sort string
	look Look
}{
	{"service-route", "service,route", 0, "count", Look{}},
	{"service-route-100", "service,route", 0, "count", Look{Width: 100, Title: true}},
	{"client-server-operation-80", "client,server,operation", 0, "p99", Look{Width: 80}},
	{"path-60-colour", "path,outcome", 3, "max", Look{Width: 60, Colour: true}},
	{"path-30", "path,server", 3, "key", Look{Width: 30}},
	{"status", "protocol,status,error", 0, "errors", Look{}},
	{"host", "host,name,method,process,pid,port,role", 0, "bytes", Look{}},
}

func TestTablesMatchGoldens(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.file, func(t *testing.T) {
			c := by(g.keys)
			c.Top, c.Sort = g.top, g.sort
			s := New(c)
			feed(s)
			var out bytes.Buffer
			g.look.Location = time.UTC
			if err := s.Report().WriteTable(&out, testClock, g.look); err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(out.String(), "\x1b", "␛")
			path := filepath.Join("testdata", g.file+".golden")
			reviewed.Compare(t, path, got)
		})
	}
}

func TestTableKeepsToTheWidthOfTheTerminal(t *testing.T) {
	s := New(by("path,server,operation"))
	feed(s)
	for width := 25; width < 200; width++ {
		var out bytes.Buffer
		if err := s.Report().WriteTable(&out, testClock, Look{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Fatalf("%d columns on a terminal of %d: %q", n, width, line)
			}
			for _, c := range strings.ReplaceAll(line, "…", "") {
				if c != '\n' && (c < ' ' || c > '~') {
					t.Fatalf("%q reaches the terminal", c)
				}
			}
		}
	}
}

func TestColoursLeaveTheTextAsItIs(t *testing.T) {
	s := New(by("client,operation,server,status"))
	feed(s)
	for width := 30; width < 150; width++ {
		var plain, coloured bytes.Buffer
		_ = s.Report().WriteTable(&plain, testClock, Look{Width: width})
		_ = s.Report().WriteTable(&coloured, testClock, Look{Width: width, Colour: true})
		text := coloured.String()
		for _, m := range regexp.MustCompile("\x1b\\[31m(.*?)\x1b\\[0m").FindAllStringSubmatch(text, -1) {
			if m[1] != "20" && m[1] != "1" {
				t.Fatalf("width %d: %q is red", width, m[1])
			}
		}
		for _, c := range []string{dim, bold, red, reset} {
			text = strings.ReplaceAll(text, c, "")
		}
		if text != plain.String() {
			t.Fatalf("width %d: without colours\n%s\nwith colours\n%s", width, plain.String(), text)
		}
	}
}

func TestGroupsAreBoundedAndTotalsExact(t *testing.T) {
	c := by("path")
	c.Groups, c.Top = 50, 10
	s := New(c)
	feed(s)
	r := s.Report()
	if len(s.groups) != 50 || len(r.Groups) != 10 || r.Other == nil {
		t.Fatalf("%d groups counted, %d shown, other %v", len(s.groups), len(r.Groups), r.Other)
	}
	sum := *r.Other
	for _, g := range r.Groups {
		sum.Count += g.Count
		sum.Errors += g.Errors
		sum.Incomplete += g.Incomplete
		sum.Bytes += g.Bytes
	}
	if r.Total.Count != 323 || r.Total.Errors != 21 || r.Total.Incomplete != 2 || r.Total.Bytes != 300*1000+20*(1+1<<20) {
		t.Errorf("total %+v", r.Total)
	}
	if sum.Count != r.Total.Count || sum.Errors != r.Total.Errors || sum.Incomplete != r.Total.Incomplete || sum.Bytes != r.Total.Bytes {
		t.Errorf("the groups add up to %+v, the total is %+v", sum, r.Total)
	}
	if n := r.Total.Durations.Count(); n != 321 {
		t.Errorf("%d durations: those of incomplete requests are not known", n)
	}
}

func TestResetBeginsAnew(t *testing.T) {
	s := New(by("service"))
	s.Tick(80 * time.Second)
	feed(s)
	s.Reset()
	if r := s.Report(); len(r.Groups) != 0 || r.Total.Count != 0 || r.From != 110*time.Second {
		t.Errorf("%+v", r)
	}
	s.Tick(115 * time.Second)
	s.Request(&model.Request{Start: 114 * time.Second, End: 114 * time.Second, HTTP: &model.HTTP{Status: 200}})
	if r := s.Report(); r.Total.Count != 1 || r.To-r.From != 5*time.Second || r.Rate(r.Total) != 0.2 {
		t.Errorf("from %v to %v, rate %v", r.From, r.To, r.Rate(r.Total))
	}
}

func TestBothEndsAreNoticed(t *testing.T) {
	for keys, want := range map[string]bool{"route": true, "client,server": true, "role,route": false, "service": false, "pid": false} {
		s := New(by(keys))
		feed(s)
		if s.BothEnds() != want {
			t.Errorf("by %s: %v", keys, !want)
		}
	}
	s := New(by("route"))
	s.Request(&model.Request{Role: model.RoleServer})
	if s.BothEnds() {
		t.Error("only one end was seen")
	}
}

func TestConnectionsAreCountedOnceAndTheirBytesAsTheyCome(t *testing.T) {
	c := by("client,server,status")
	c.Flows = true
	s := New(c)
	f := model.Flow{Transport: "tcp", Role: model.RoleClient, Client: curl, Server: far, Start: time.Second, End: 2 * time.Second}
	s.Flow(&f, model.FlowDelta{BytesTransmitted: 10, BytesReceived: 1})
	s.Flow(&f, model.FlowDelta{BytesTransmitted: 20, BytesReceived: 2})
	f.State, f.End = model.FlowReset, 3*time.Second
	s.Flow(&f, model.FlowDelta{BytesTransmitted: 30, Final: true})
	f.View = model.ViewInterface
	s.Flow(&f, model.FlowDelta{BytesTransmitted: 1000, Final: true})
	s.Request(&model.Request{})
	r := s.Report()
	if r.Total.Count != 1 || r.Total.Bytes != 63 || r.Total.Errors != 1 || r.Total.Durations.Max() != 2*time.Second {
		t.Errorf("total %+v", r.Total)
	}
	c.By = []string{"interface"}
	s = New(c)
	s.Flow(&f, model.FlowDelta{BytesTransmitted: 1000, Final: true})
	if r := s.Report(); r.Total.Bytes != 1000 || r.Total.Count != 1 {
		t.Errorf("by interface: %+v", r.Total)
	}
}

func TestConfigSaysWhatIsAccepted(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		`nothing to group by: accepted are service, client,`: func(c *Config) { c.By = nil },
		`cannot group by "colour": accepted are service`:     func(c *Config) { c.By = []string{"colour"} },
		`"route" is grouped by twice`:                        func(c *Config) { c.By = []string{"route", "pid", "route"} },
		`cannot sort by "size": accepted are count, errors`:  func(c *Config) { c.Sort = "size" },
		"negative": func(c *Config) { c.Top = -1 },
	} {
		c := by("service")
		if change(&c); c.Validate() == nil || !strings.Contains(c.Validate().Error(), want) {
			t.Errorf("got %v, want %s", c.Validate(), want)
		}
	}
	if err := by("service,route").Validate(); err != nil {
		t.Error(err)
	}
}

func TestEveryKeyIsDescribedAndTakesEveryEvent(t *testing.T) {
	for _, k := range Keys() {
		if len(k.Usage) < 3 {
			t.Errorf("%s is not described", k.Name)
		}
		for _, flows := range []bool{false, true} {
			c := by(k.Name)
			c.Flows = flows
			s := New(c)
			s.Request(&model.Request{})
			s.Flow(&model.Flow{}, model.FlowDelta{})
			s.Flow(&model.Flow{View: model.ViewInterface}, model.FlowDelta{})
			if len(s.groups) != 1 {
				t.Errorf("%s: %d groups", k.Name, len(s.groups))
			}
		}
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	s := New(by("client,server,operation,status"))
	feed(s)
	r := model.Request{Role: model.RoleServer, Client: curl, Server: shop, End: time.Millisecond, HTTP: &model.HTTP{Method: "GET", Route: "/users/{id}", Status: 200}}
	if n := testing.AllocsPerRun(100, func() { s.Request(&r) }); n != 0 {
		t.Errorf("%v allocations for a request", n)
	}
}

func jsonLines(t *testing.T, s *Summary) []string {
	t.Helper()
	var out bytes.Buffer
	if err := s.Report().WriteJSON(&out, testClock); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestEveryLineIsWhatTheSchemaSays(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys() {
		config := by(k.Name)
		config.Top = 2
		s := New(config)
		feed(s)
		for _, line := range jsonLines(t, s) {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
			if err != nil {
				t.Fatal(err)
			}
			if err := compiled.Validate(value); err != nil {
				t.Errorf("%v\n%s", err, line)
			}
		}
	}
}

func TestJSONHasOneObjectForEachGroup(t *testing.T) {
	c := by("service,route,status")
	c.Top = 1
	s := New(c)
	feed(s)
	lines := jsonLines(t, s)
	want := []string{
		`{"type":"summary","of":"request","from":"2026-05-04T12:00:00Z","to":"2026-05-04T12:00:20Z",` +
			`"by":{"route":"/users/{id}","service":"shop","status":"200"},"count":180,"rate":9,"errors":0,"incomplete":1,`,
		`{"type":"summary","of":"request","from":"2026-05-04T12:00:00Z","to":"2026-05-04T12:00:20Z",` +
			`"by":{},"other":true,"count":143,"rate":7.15,"errors":21,"incomplete":1,`,
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("got\n%s\nwant\n%s", lines[i], want[i])
		}
	}
}

func FuzzJSONIsHarmless(f *testing.F) {
	f.Add("/\x1b[2J\u202e\u009b", "é世\U0001F600")
	f.Fuzz(func(t *testing.T, path, method string) {
		s := New(by("path,method"))
		s.Request(&model.Request{HTTP: &model.HTTP{Path: path, Method: method}})
		line := jsonLines(t, s)[0]
		var back struct{ By map[string]string }
		if err := json.Unmarshal([]byte(line), &back); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if utf8.ValidString(path) && !strings.Contains(path, separator) && back.By["path"] != path {
			t.Errorf("%q reads back as %q", path, back.By["path"])
		}
		for _, c := range line {
			if c < ' ' || c >= 0x7f && c <= 0x9f || c == 0x202e {
				t.Errorf("%q reaches the terminal", c)
			}
		}
	})
}

func BenchmarkRequest(b *testing.B) {
	s := New(by("service,route,status"))
	feed(s)
	r := model.Request{Role: model.RoleServer, Client: curl, Server: shop, End: time.Millisecond, HTTP: &model.HTTP{Method: "GET", Route: "/users/{id}", Status: 200}}
	b.ReportAllocs()
	for b.Loop() {
		s.Request(&r)
	}
}

func BenchmarkReportOfTenThousandGroups(b *testing.B) {
	s := New(by("path"))
	for i := range 10_000 {
		s.Request(&model.Request{End: time.Duration(i) * time.Microsecond, HTTP: &model.HTTP{Path: fmt.Sprint("/", i)}})
	}
	for b.Loop() {
		_ = s.Report().WriteTable(io.Discard, testClock, Look{Width: 120})
	}
}
