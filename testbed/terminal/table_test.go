// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func screen(lines ...string) Screen { return Screen{Width: 80, Height: len(lines), Lines: lines} }

func TestTableIsReadByItsTitles(t *testing.T) {
	s := screen(
		" Services  60 s",
		"",
		" SERVICE        REQ/S▼  ERR %    P50   ACTIVITY  LAST REQUEST",
		" checkout       1,204    0.1  1.20 ms  ▁▂▃█      GET /orders/17",
		" 日本 gateway      12      -    40 us  ▁▁▁▁      POST /a b",
		" nobody             0      -        -",
		"──────────────────────",
		" SERVICE below the table",
	)
	table, err := s.Table("SERVICE", "REQ/S", "ERR %", "LAST REQUEST")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"SERVICE", "REQ/S", "ERR %", "P50", "ACTIVITY", "LAST REQUEST"}; !slices.Equal(table.Titles, want) {
		t.Errorf("titles %q", table.Titles)
	}
	want := []map[string]string{
		{"SERVICE": "checkout", "REQ/S": "1,204", "ERR %": "0.1", "P50": "1.20 ms", "ACTIVITY": "▁▂▃█", "LAST REQUEST": "GET /orders/17"},
		{"SERVICE": "日本 gateway", "REQ/S": "12", "ERR %": "-", "P50": "40 us", "ACTIVITY": "▁▁▁▁", "LAST REQUEST": "POST /a b"},
		{"SERVICE": "nobody", "REQ/S": "0", "ERR %": "-", "P50": "-", "ACTIVITY": "", "LAST REQUEST": ""},
	}
	if len(table.Rows) != len(want) {
		t.Fatalf("%d rows: %v", len(table.Rows), table.Rows)
	}
	for i, row := range table.Rows {
		if !maps.Equal(row.Cells, want[i]) || row.Line != 3+i {
			t.Errorf("row %d, line %d: %q, want %q", i, row.Line, row.Cells, want[i])
		}
	}
	if r, ok := table.Row("SERVICE", "nobody"); !ok || r.Line != 5 {
		t.Errorf("nobody is in %v, %v", r, ok)
	}
	if got := table.Column("REQ/S"); !slices.Equal(got, []string{"1,204", "12", "0"}) {
		t.Errorf("column %q", got)
	}
}

func TestMarksAreNoPartOfTheCellsBesideThem(t *testing.T) {
	s := screen(
		" TIME            CLIENT    TARGET      ▼DURATION",
		">15:04:05.123    curl      GET /ok       1.20 ms",
		" 15:04:05.000  ! buyer     GET /a b         9 us",
	)
	table, err := s.Table("TIME", "CLIENT", "TARGET", "DURATION")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Row{
		{1, ">", map[string]string{"TIME": "15:04:05.123", "CLIENT": "curl", "TARGET": "GET /ok", "DURATION": "1.20 ms"}},
		{2, "!", map[string]string{"TIME": "15:04:05.000", "CLIENT": "buyer", "TARGET": "GET /a b", "DURATION": "9 us"}},
	} {
		if got := table.Rows[i]; got.Mark != want.Mark || !maps.Equal(got.Cells, want.Cells) {
			t.Errorf("row %d: %+v, want %+v", i, got, want)
		}
	}
}

func TestTableThatIsNotThereIsAnErrorWithTheScreen(t *testing.T) {
	for _, titles := range [][]string{{"SERVICE", "P99"}, {"P50", "SERVICE"}, {"SERV"}} {
		_, err := screen("", "SERVICE  P50", "checkout  1 ms").Table(titles...)
		if err == nil || !strings.Contains(err.Error(), "checkout") {
			t.Errorf("%v: %v", titles, err)
		}
	}
}

func TestTableOfARealProgramIsRead(t *testing.T) {
	term := open(t, Options{}, "sh", "-c", `while :; do printf '\033[H\033[2J'; ps -o pid,comm,args -p $$; sleep 0.2; done`)
	s, err := term.Await(patience, "process", func(s Screen) bool { return s.Contains("while :") })
	if err != nil {
		t.Fatal(err)
	}
	table, err := s.Table("PID", "COMMAND", "COMMAND")
	if err != nil || len(table.Rows) != 1 || table.Rows[0].Cells["PID"] == "" {
		t.Errorf("read as %+v: %v", table, err)
	}
	if _, err := term.AwaitStill(time.Second, time.Minute); err == nil {
		t.Error("a screen that is drawn anew five times a second stands still for a minute")
	}
}
