// SPDX-License-Identifier: Apache-2.0

package grafana

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the dashboards")

func TestDashboardsAreFresh(t *testing.T) {
	if err := os.MkdirAll("dashboards", 0o755); err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, d := range Dashboards() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("dashboards", d.UID+".json")
		wanted[path] = true
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s is not what the sources give: run go generate ./deploy/grafana (%v)", path, err)
		}
	}
	files, err := filepath.Glob("dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !wanted[f] {
			t.Errorf("%s belongs to no dashboard", f)
		}
	}
}

func TestPanelsAreComplete(t *testing.T) {
	uids := map[string]bool{}
	for _, d := range Dashboards() {
		if uids[d.UID] || len(d.UID) > 40 { // Grafana's limit
			t.Errorf("%q is no uid", d.UID)
		}
		uids[d.UID] = true
		if d.Description == "" {
			t.Errorf("%s has no description", d.UID)
		}
		for _, r := range d.Rows {
			if columns%max(1, len(r.Panels)) != 0 {
				t.Errorf("%s, %s: %d panels leave a gap", d.UID, r.Title, len(r.Panels))
			}
			for _, p := range r.Panels {
				if p.Title == "" || p.Unit == "" || len(p.Queries) == 0 {
					t.Errorf("%s, %s: panel %q lacks a title, a unit or a query", d.UID, r.Title, p.Title)
				}
			}
		}
	}
}
