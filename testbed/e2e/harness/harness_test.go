// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"strings"
	"testing"
)

const line = `{"type":"request","time":"2026-01-02T03:04:05.000000006Z","duration_ns":7,"protocol":"http","role":"server",` +
	`"client":{"address":"::1","port":40000},"server":{"address":"::1","port":80,"pid":9,"process":"nginx"},"outcome":"ok",` +
	`"attributes":{"http.request.method":"GET","url.path":"/ok","http.response.status_code":200},"request_bytes":1,"response_bytes":2}`

func TestDecodeReadsWhatTheSchemaDescribes(t *testing.T) {
	e, err := decode([]byte(line), 0)
	if err != nil {
		t.Fatal(err)
	}
	if e.Server.PID != 9 || e.Attributes.Path != "/ok" || e.Duration() != 7 || e.Client.Port != 40000 {
		t.Errorf("decoded %+v", e)
	}
}

func TestDecodeRefusesWhatTheSchemaDoesNotHave(t *testing.T) {
	for name, bad := range map[string]string{
		"unknown key":       strings.Replace(line, `"outcome"`, `"colour":1,"outcome"`, 1),
		"unknown attribute": strings.Replace(line, `"url.path"`, `"path"`, 1),
		"cut line":          line[:len(line)-1],
	} {
		if _, err := decode([]byte(bad), 0); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestDiffNamesWhatIsMissingAndWhatIsTooMuch(t *testing.T) {
	want, got := Counts{}, Counts{}
	want.Add("GET", "/ok", 200, 3)
	want.Add("GET", "/status/404", 404, 1)
	if d := Diff(want, want); d != "" {
		t.Errorf("equal counts differ: %s", d)
	}
	got.Add("GET", "/ok", 200, 2)
	got[Kind{"server", "PUT", "/x", 0, "incomplete"}] = 1
	d := Diff(want, got)
	for _, part := range []string{"want 8, got 5", "want 3, got 2", "want 0, got 1", "/status/404"} {
		if !strings.Contains(d, part) {
			t.Errorf("%q is missing from\n%s", part, d)
		}
	}
}

func TestTallyNamesRoleOutcomeAndTheAttributesAsked(t *testing.T) {
	other := strings.Replace(line, `"http.request.method":"GET","url.path":"/ok","http.response.status_code":200`,
		`"db.system.name":"postgresql","sonde.db.command":"Query","db.response.status_code":"42P01"`, 1)
	e, err := decode([]byte(strings.Replace(other, `"ok"`, `"error"`, 1)), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := Tally{"server error Query 42P01": 1}
	if d := DiffTally(want, CountBy([]Event{e}, "sonde.db.command", "db.query.summary", "db.response.status_code")); d != "" {
		t.Error(d)
	}
	want.Both(1, "error Query 42P01")
	if d := DiffTally(want, CountBy([]Event{e}, "db.query.summary")); !strings.Contains(d, "want 3, got 1") {
		t.Errorf("different tallies: %s", d)
	}
}
