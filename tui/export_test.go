// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/view"
)

// files are the names in a folder, hidden ones too.
func files(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestExportWritesAllRowsAsFilteredAndSorted(t *testing.T) {
	w := steady(700)
	d := newDesk(t, w, 200, 24)
	d.press("/")
	d.write("nginx")
	d.press("Enter", "S", "e", "j")
	d.see("700 rows are in ", "sonde-services-20261121-120000.json")
	asked := w.asked[len(w.asked)-2]
	if asked.Filter != "nginx" || !asked.Reverse || asked.Limit != view.MaxLimit {
		t.Errorf("asked for %+v", asked)
	}
	path := filepath.Join(d.m.exportTo, "sonde-services-20261121-120000.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []view.Service
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) != 700 || rows[699].Name != "service-700" {
		t.Errorf("%d rows, error %v", len(rows), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	d.press("e", "j")
	if got := files(t, d.m.exportTo); len(got) != 2 || got[0] != "sonde-services-20261121-120000-2.json" {
		t.Errorf("a second one makes %q", got)
	}
}

func TestExportSaysWhenThereAreMoreRows(t *testing.T) {
	d := newDesk(t, steady(view.MaxLimit+5), 200, 24)
	d.press("e", "c")
	d.see("20000 of 20005 rows are in ")
}

func TestExportThatFailsLeavesNoFile(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(w io.Writer) error
		want string
	}{
		{"full disk", func(w io.Writer) error {
			_, _ = w.Write(make([]byte, 1<<16))
			return &os.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}
		}, "no space left on device"},
		{"other", func(io.Writer) error { return errors.New("no reason") }, "no reason"},
	} {
		folder := t.TempDir()
		_, err := writeFile(folder, "sonde", format{"json", func(w io.Writer, _ any) error { return c.fail(w) }}, nil)
		if err == nil || !strings.Contains(err.Error(), "cannot write to "+folder) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if left := files(t, folder); len(left) > 0 {
			t.Errorf("%s: left %q", c.name, left)
		}
	}
}

func TestExportSaysWhyItCannotWrite(t *testing.T) {
	d := newDesk(t, steady(3), 200, 24)
	d.m.exportTo = filepath.Join(d.m.exportTo, "missing")
	d.press("e", "c")
	d.see("nothing was exported: cannot write to ", "no such file or directory")
	w := d.world.(*script)
	w.failing = errors.New("gone")
	d.press("e", "c")
	d.see("nothing was exported: gone")
}

func TestExportToFullDisk(t *testing.T) {
	folder := t.TempDir()
	if err := unix.Mount("sonde", folder, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) })
	d := newDesk(t, steady(5000), 120, 24)
	d.m.exportTo = folder
	d.press("e", "j")
	d.see("nothing was exported", "no space left on device")
	if left := files(t, folder); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

func TestCSVHasAColumnForEachScalar(t *testing.T) {
	rows := []view.DNS{
		{Name: "a.example", RCodes: map[string]uint64{"NXDOMAIN": 2, "NOERROR": 1}, Types: []string{"A", "AAAA"}, RED: view.RED{Rate: 0.5, P50: time.Millisecond}},
		{Name: "b.example"},
	}
	var b bytes.Buffer
	if err := writeCSV(&b, rows); err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(table) != 3 {
		t.Fatalf("%v, error %v", table, err)
	}
	cells := map[string]string{}
	for i, name := range table[0] {
		cells[name] = table[1][i]
	}
	for name, want := range map[string]string{
		"name": "a.example", "red.rate": "0.5", "red.p50_ns": "1000000", "rcodes": "NOERROR=1;NXDOMAIN=2", "types": "A;AAAA", "servers": "",
	} {
		if got, ok := cells[name]; !ok || got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name := range cells {
		if strings.Contains(name, "spark") || strings.Contains(name, "histogram") {
			t.Errorf("there is a column %s", name)
		}
	}
}

func TestCSVOfEveryPage(t *testing.T) {
	for _, s := range []*view.Snapshot{
		{Page: view.PageServices, Services: make([]view.Service, 1)}, {Page: view.PageRoutes, Routes: make([]view.Route, 1)},
		{Page: view.PageRequests, Requests: make([]view.Request, 1)}, {Page: view.PageTrace, Requests: make([]view.Request, 1)},
		{Page: view.PageFlows, Flows: make([]view.FlowGroup, 1)}, {Page: view.PageConns, Conns: make([]view.Conn, 1)},
		{Page: view.PageMap, Edges: make([]view.Edge, 1)}, {Page: view.PageProcesses, Processes: make([]view.Process, 1)},
		{Page: view.PageDNS, DNS: make([]view.DNS, 1)}, {Page: view.PageAgent, Agent: &view.Agent{}},
		{Page: view.PageRequest, Request: &view.Detail{}},
	} {
		var b bytes.Buffer
		if err := writeCSV(&b, rowsOf(s)); err != nil || strings.Count(b.String(), "\n") != 2 || shown(s) != 1 {
			t.Errorf("%s: error %v, %q", s.Page, err, b.String())
		}
		empty := &view.Snapshot{Page: s.Page}
		b.Reset()
		if err := writeJSON(&b, rowsOf(empty)); err != nil || b.String() != "[]\n" {
			t.Errorf("%s: no rows are %q, error %v", s.Page, b.String(), err)
		}
	}
}

func TestSpreadsheetsTakeNoTextForAFormula(t *testing.T) {
	for in, want := range map[string]string{
		"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "+1+1": "'+1+1", "-2+3": "'-2+3", "@SUM(A1)": "'@SUM(A1)", "-1": "-1", "+1.5": "+1.5",
		"GET /": "GET /", "": "", "\tx": "'\tx", "-": "'-",
	} {
		if got := defused(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
