// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/terminal"
)

// What exports hold, as far as the tests look at it. The types are their own, so that a mistake in the product's is not repeated.
type (
	counted struct {
		Count  int     `json:"count"`
		Errors int     `json:"errors"`
		Rate   float64 `json:"rate"`
	}
	serviceRow struct {
		Name string  `json:"name"`
		In   counted `json:"in"`
		Out  counted `json:"out"`
	}
	requestRow struct {
		ID       uint64    `json:"id"`
		Time     time.Time `json:"time"`
		Duration int64     `json:"duration_ns"`
		Role     string    `json:"role"`
		Client   string    `json:"client"`
		Server   string    `json:"server"`
		Target   string    `json:"target"`
		Status   string    `json:"status"`
		Outcome  string    `json:"outcome"`
		Slow     bool      `json:"slow"`
		Conn     uint64    `json:"conn"`
		SpanID   string    `json:"span_id"`
		ParentID string    `json:"parent_span_id"`
		Depth    int       `json:"depth"`
	}
	flowRow struct {
		Client     string `json:"client"`
		Server     string `json:"server"`
		Port       int    `json:"port"`
		Transport  string `json:"transport"`
		Protocol   string `json:"protocol"`
		Encryption string `json:"encryption"`
		View       string `json:"view"`
		Open       int    `json:"open"`
		Opened     int    `json:"opened"`
		Failed     int    `json:"failed"`
		Sent       int    `json:"sent_bytes"`
		Received   int    `json:"received_bytes"`
		Packets    int    `json:"packets"`
	}
	connRow struct {
		ID         uint64 `json:"id"`
		ClientAddr string `json:"client_addr"`
		State      string `json:"state"`
		Requests   int    `json:"requests"`
	}
	edgeRow struct {
		Client   string  `json:"client"`
		Server   string  `json:"server"`
		Protocol string  `json:"protocol"`
		RED      counted `json:"red"`
	}
	processRow struct {
		PID     int     `json:"pid"`
		Name    string  `json:"name"`
		Service string  `json:"service"`
		In      counted `json:"in"`
		Out     counted `json:"out"`
	}
	nameRow struct {
		Name    string         `json:"name"`
		RED     counted        `json:"red"`
		RCodes  map[string]int `json:"rcodes"`
		Types   []string       `json:"types"`
		Clients []string       `json:"clients"`
	}
	routeRow struct {
		Service   string  `json:"service"`
		Operation string  `json:"operation"`
		RED       counted `json:"red"`
	}
	agentRow struct {
		Hooks []struct {
			Probe string `json:"probe"`
			Hook  string `json:"hook"`
		} `json:"hooks"`
		Losses []struct {
			Name  string `json:"name"`
			Count int    `json:"count"`
		} `json:"losses"`
	}
)

// exported has the viewer export its page as JSON and reads that.
func exported[T any](v *viewer) []T {
	v.t.Helper()
	text := v.export("j", "json")
	var rows []T
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		v.t.Fatalf("the export is not what it says: %v\n%.500s", err, text)
	}
	return rows
}

// export presses the key of a format and returns what was written.
func (v *viewer) export(key, extension string) string {
	v.t.Helper()
	before := written(v.t, v.exports)
	v.press("e")
	v.shows("JSON", "CSV")
	v.press(key)
	file := newest(v.t, v.exports, len(before)+1)
	if !strings.HasSuffix(file, "."+extension) {
		v.t.Fatalf("%s is no %s", file, extension)
	}
	v.shows("rows are in")
	text, err := os.ReadFile(file)
	v.check(err)
	return string(text)
}

// awaitExport exports until the rows are as good says: what was sent may not be in the world yet.
func awaitExport[T any](v *viewer, what string, good func([]T) bool) []T {
	v.t.Helper()
	var rows []T
	for end := time.Now().Add(sight); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if rows = exported[T](v); good(rows) {
			return rows
		}
	}
	s, _ := v.Screen()
	v.t.Fatalf("the export never has %s: %+v\n%s", what, rows, s)
	return nil
}

// find returns the row that is as good says.
func find[T any](rows []T, good func(T) bool) (T, bool) {
	i := slices.IndexFunc(rows, good)
	if i < 0 {
		var none T
		return none, false
	}
	return rows[i], true
}

// The load of the pages: of ten requests seven are answered well, one is the client's fault, two are the server's.
const (
	sent       = 1000
	serverFail = sent * 2 / 10
	clientFail = sent * 3 / 10
	connsUsed  = 8
)

var mixed = strings.Join([]string{
	"GET /ok", "GET /any/a", "GET /status/500", "GET /ok", "POST /echo 200", "GET /status/404", "GET /ok", "GET /status/503",
	"GET /bytes/1024", "GET /any/b",
}, ",")

// TestTopShowsWhatWasSent goes through the pages after a load that is known, and holds what they show, and what they export,
// against it.
func TestTopShowsWhatWasSent(t *testing.T) {
	l := newLab(t)
	f := newFence(t)
	s := l.serverAs(t, f, "papaya", apps.Go)
	v := l.top(t, roomy, slices.Concat(f.only(), []string{"--window", "15m"})...)
	res := l.loadAs(t, f, "mango", s.Addr, "-conns", strconv.Itoa(connsUsed), "-n", strconv.Itoa(sent), "-rate", "2000", "-mix", mixed)
	if res.Total != sent {
		t.Fatalf("sent %d", res.Total)
	}
	t.Run("services", func(t *testing.T) { v.on(t).servicesAreRight() })
	t.Run("routes", func(t *testing.T) { v.on(t).routesAreRight() })
	t.Run("requests", func(t *testing.T) { v.on(t).requestsAreRight() })
	t.Run("flows", func(t *testing.T) { v.on(t).flowsAreRight(s.Port) })
	t.Run("map", func(t *testing.T) { v.on(t).mapIsRight() })
	t.Run("processes", func(t *testing.T) { v.on(t).processesAreRight(s.PID) })
	t.Run("agent", func(t *testing.T) { v.on(t).agentIsRight() })
}

// on is the same viewer for a part of a test.
func (v *viewer) on(t *testing.T) *viewer { return &viewer{v.Terminal, t, v.exports} }

var serviceTitles = []string{"SERVICE", "REQ/s", "ERR", "P50", "P95", "P99", "OUT/s", "OUT ERR"}

func (v *viewer) servicesAreRight() {
	v.press("1")
	table := v.table("papaya and mango", serviceTitles, func(t *terminal.Table) bool {
		server, _ := t.Row("SERVICE", "papaya")
		client, _ := t.Row("SERVICE", "mango")
		return strings.HasSuffix(server.Cells["ERR"], fmt.Sprint(" ", serverFail)) && strings.HasSuffix(client.Cells["OUT ERR"], fmt.Sprint(" ", clientFail))
	})
	papaya, _ := table.Row("SERVICE", "papaya")
	mango, _ := table.Row("SERVICE", "mango")
	if strings.Join(strings.Fields(papaya.Cells["ERR"]), " ") != fmt.Sprintf("20.0%% %d", serverFail) || !strings.HasPrefix(papaya.Mark, "!") ||
		strings.Join(strings.Fields(mango.Cells["OUT ERR"]), " ") != fmt.Sprintf("30.0%% %d", clientFail) {
		v.t.Errorf("papaya has %v, mango %v", papaya, mango)
	}
	v.selectRow(serviceTitles, "SERVICE", "papaya")
	v.shows("papaya answers", strconv.Itoa(sent)) // the panel has the counts
	rows := awaitExport(v, "all requests", func(rows []serviceRow) bool {
		r, _ := find(rows, func(r serviceRow) bool { return r.Name == "papaya" })
		return r.In.Count >= sent
	})
	for _, r := range rows {
		switch r.Name {
		case "papaya":
			v.equal("papaya answers", r.In, counted{sent, serverFail, r.In.Rate})
			v.equal("papaya calls", r.Out, counted{})
		case "mango":
			v.equal("mango answers", r.In, counted{})
			v.equal("mango calls", r.Out, counted{sent, clientFail, r.Out.Rate})
		}
	}
}

func (v *viewer) equal(what string, got, want any) {
	v.t.Helper()
	if got != want {
		v.t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// routesAreRight enters the server from the page of services.
func (v *viewer) routesAreRight() {
	v.press("1")
	v.selectRow(serviceTitles, "SERVICE", "papaya")
	v.press("Enter")
	v.shows("papaya", "OPERATION")
	rows := exported[routeRow](v)
	total := counted{}
	for _, r := range rows {
		if r.Service != "papaya" {
			v.t.Errorf("a route of %+v", r)
		}
		total.Count += r.RED.Count
		total.Errors += r.RED.Errors
	}
	v.equal("all routes", total, counted{sent, serverFail, 0})
	v.press("Escape")
	v.shows("PROCS")
}

var requestTitles = []string{"TIME", "CLIENT", "SERVER", "PROTO", "TARGET", "STATUS", "DURATION", "BYTES"}

func (v *viewer) requestsAreRight() {
	v.press("2")
	v.filter("--to-service papaya --role server")
	table := v.table("requests to papaya", requestTitles, func(t *terminal.Table) bool {
		return len(t.Rows) > 20 && !slices.ContainsFunc(t.Column("SERVER"), func(s string) bool { return s != "papaya" })
	})
	for _, r := range table.Rows {
		failed := strings.HasPrefix(r.Cells["STATUS"], "5")
		if strings.Contains(r.Mark, "!") != failed && r.Cells["STATUS"] != "404" {
			v.t.Errorf("marked as %q: %v", r.Mark, r.Cells)
		}
		if r.Cells["CLIENT"] != "mango" {
			v.t.Errorf("a request of %v", r.Cells)
		}
	}
	rows := exported[requestRow](v)
	statuses := map[string]int{}
	for i, r := range rows {
		statuses[r.Status]++
		if i > 0 && r.ID >= rows[i-1].ID { // a request is known when it ends: times say when it began
			v.t.Fatalf("request %d is newer than the one above it", i)
		}
	}
	if len(rows) != sent || statuses["200"] != 7*sent/10 || statuses["404"] != sent/10 || statuses["500"] != sent/10 || statuses["503"] != sent/10 {
		v.t.Errorf("%d requests: %v", len(rows), statuses)
	}
	v.filter("")
}

// filter types a filter in place of the one that is there.
func (v *viewer) filter(line string) {
	v.t.Helper()
	v.press("/")
	v.press("C-e", "C-u")
	v.check(v.Type(line))
	v.press("Enter")
	if line != "" {
		v.shows(line)
	}
}

func (v *viewer) flowsAreRight(port int) {
	v.press("3")
	v.shows("SERVER:PORT", fmt.Sprintf("papaya:%d", port))
	rows := exported[flowRow](v)
	r, found := find(rows, func(r flowRow) bool { return r.Port == port && r.View == "socket" })
	if !found || r.Client != "mango" || r.Server != "papaya" || r.Opened != connsUsed || r.Failed != 0 || r.Protocol != "http" || r.Encryption != "none" {
		v.t.Errorf("the load is flow %+v (%v)", r, found)
	}
}

func (v *viewer) mapIsRight() {
	v.press("4")
	v.shows("SEEN BY", "papaya")
	rows := exported[edgeRow](v)
	edges := map[string]counted{}
	for _, r := range rows {
		if r.Client == "mango" || r.Server == "papaya" {
			edges[r.Client+" "+r.Server+" "+r.Protocol] = counted{r.RED.Count, 0, 0}
		}
	}
	if len(edges) != 1 || edges["mango papaya http"].Count != sent {
		v.t.Errorf("edges %v", edges)
	}
}

func (v *viewer) processesAreRight(server int) {
	v.press("5")
	v.shows("PID", strconv.Itoa(server))
	rows := exported[processRow](v)
	r, _ := find(rows, func(r processRow) bool { return r.PID == server })
	if r.Name != "goserver" || r.Service != "papaya" {
		v.t.Errorf("process %+v", r)
	}
	v.equal("the process answers", r.In, counted{sent, serverFail, r.In.Rate})
}

func (v *viewer) agentIsRight() {
	v.press("7")
	v.shows("[7 Agent]")
	rows := exported[agentRow](v)
	if len(rows) != 1 || len(rows[0].Hooks) == 0 || len(rows[0].Losses) == 0 {
		v.t.Fatalf("agent %+v", rows)
	}
	s := v.shows(rows[0].Hooks[0].Probe)
	for _, h := range rows[0].Hooks {
		if !s.Contains(h.Probe) {
			v.t.Errorf("hook %v is not on the screen:\n%s", h, s)
			break
		}
	}
	for _, c := range rows[0].Losses {
		if c.Count != 0 {
			v.t.Errorf("%d lost: %s", c.Count, c.Name)
		}
	}
}

// TestTopCountsBytesAndConnectionsExactly has a server and a client of no protocol, whose bytes are known, and one that speaks TLS.
func TestTopCountsBytesAndConnectionsExactly(t *testing.T) {
	l := newLab(t)
	const conns, up, down = 20, 10_000, 5_000
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, c, up)
			_, _ = c.Write(make([]byte, down))
			_ = c.Close()
		}
	}()
	secure := tlsServer(t)
	v := l.top(t, roomy, "--local", "--window", "15m", "--page", "flows")
	for range conns {
		c, err := net.Dial("tcp4", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, werr := c.Write(make([]byte, up))
		if n, err := io.Copy(io.Discard, c); n != down || err != nil || werr != nil {
			t.Fatalf("received %d: %v, %v", n, err, werr)
		}
		_ = c.Close()
	}
	const fetched = 3
	for range fetched {
		if err := curlTLS(secure, "shop.test"); err != nil {
			t.Fatal(err)
		}
	}
	refused, err := apps.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", refused)); err == nil {
			_ = c.Close()
		}
	}
	port := ln.Addr().(*net.TCPAddr).Port
	flow := func(rows []flowRow, port int) flowRow {
		r, _ := find(rows, func(r flowRow) bool { return r.Port == port && r.View == "socket" })
		return r
	}
	rows := awaitExport(v, "all connections", func(rows []flowRow) bool {
		return flow(rows, port).Opened >= conns && flow(rows, port).Open == 0 && flow(rows, secure).Opened >= fetched && flow(rows, refused).Failed >= 4
	})
	plain := flow(rows, port)
	if plain.Opened != conns || plain.Sent != conns*up || plain.Received != conns*down || plain.Failed != 0 {
		t.Errorf("plain: %+v, want %d connections, %d bytes and %d", plain, conns, conns*up, conns*down)
	}
	if tls := flow(rows, secure); tls.Encryption != "tls" || tls.Client != "curl" || tls.Opened != fetched {
		t.Errorf("TLS: %+v", tls)
	}
	if r := flow(rows, refused); r.Failed != 4 || r.Sent != 0 {
		t.Errorf("refused: %+v", r)
	}
	table := v.table("TLS on the screen", []string{"CLIENT", "SERVER:PORT", "PROTO", "ENC", "FAILED"}, func(t *terminal.Table) bool {
		return slices.ContainsFunc(t.Rows, func(r terminal.Row) bool { return strings.HasSuffix(r.Cells["SERVER:PORT"], fmt.Sprint(":", secure)) })
	})
	for _, r := range table.Rows {
		if strings.HasSuffix(r.Cells["SERVER:PORT"], fmt.Sprint(":", secure)) && !strings.Contains(r.Cells["ENC"], "tls") {
			t.Errorf("TLS is shown as %v", r)
		}
	}
}

func TestTopShowsNamesThatWereLookedUp(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Dnsmasq)
	v := l.top(t, roomy, "--local", "--window", "15m", "--page", "dns")
	const times = 30
	dig(t, s, times, []string{"a.shop.test A", "a.shop.test AAAA", "nothing.shop.test A"})
	name := func(rows []nameRow, name string) nameRow {
		r, _ := find(rows, func(r nameRow) bool { return r.Name == name })
		return r
	}
	rows := awaitExport(v, "all names", func(rows []nameRow) bool {
		return name(rows, "a.shop.test").RED.Count >= 2*times && name(rows, "nothing.shop.test").RED.Count >= times
	})
	known, unknown := name(rows, "a.shop.test"), name(rows, "nothing.shop.test")
	if known.RED.Count != 2*times || known.RED.Errors != 0 || known.RCodes["NOERROR"] != 2*times || len(known.RCodes) != 1 {
		t.Errorf("what exists: %+v", known)
	}
	slices.Sort(known.Types)
	if !slices.Equal(known.Types, []string{"A", "AAAA"}) || !slices.Equal(known.Clients, []string{"dig"}) {
		t.Errorf("what exists: %+v", known)
	}
	if unknown.RED.Count != times || unknown.RED.Errors != times || unknown.RCodes["NXDOMAIN"] != times || len(unknown.RCodes) != 1 {
		t.Errorf("what does not exist: %+v", unknown)
	}
	table := v.table("the names", []string{"NAME", "ERR", "ANSWERS", "TYPES"}, func(t *terminal.Table) bool {
		_, found := t.Row("NAME", "nothing.shop.test")
		return found
	})
	if r, _ := table.Row("NAME", "nothing.shop.test"); !strings.HasPrefix(r.Cells["ERR"], "100.0%") || !strings.Contains(r.Cells["ANSWERS"], "NXDOMAIN") {
		t.Errorf("on the screen: %v", r)
	}
}

// TestTopExportsWhatItShows compares both formats with each other and with what the screen says of them.
func TestTopExportsWhatItShows(t *testing.T) {
	l := newLab(t)
	f := newFence(t)
	s := l.serverAs(t, f, "papaya", apps.Go)
	v := l.top(t, roomy, slices.Concat(f.only(), []string{"--window", "15m", "--page", "requests", "--role", "client"})...)
	const n = 321
	l.loadAs(t, f, "mango", s.Addr, "-conns", "3", "-n", strconv.Itoa(n), "-rate", "1000", "-mix", mixed)
	rows := awaitExport(v, "all requests", func(rows []requestRow) bool { return len(rows) >= n })
	lines, err := csv.NewReader(strings.NewReader(v.export("c", "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != n || len(lines) != n+1 {
		t.Fatalf("%d rows of JSON, %d lines of CSV, want %d", len(rows), len(lines), n)
	}
	column := func(name string) int { return slices.Index(lines[0], name) }
	for i, r := range rows {
		line := lines[i+1]
		if got := line[column("target")] + line[column("status")] + line[column("duration_ns")]; got != r.Target+r.Status+fmt.Sprint(r.Duration) {
			t.Errorf("row %d: CSV has %s, JSON %+v", i, got, r)
		}
	}
	if s := v.shows(fmt.Sprintf("%d rows are in %s", n, v.exports)); s.Contains("nothing was exported") {
		t.Error(s)
	}
}
