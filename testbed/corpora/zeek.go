// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// ZeekTest is one entry of Zeek's manifest.
type ZeekTest struct {
	Proto string   `json:"proto"`
	Pcap  string   `json:"pcap"` // below the corpus
	Logs  []string `json:"logs"` // the same
	Test  string   `json:"test"`
	Cmd   []string `json:"cmd"`
}

// Log returns the path of the test's log of a name ("http", "conn"), "" when it has none. Cut logs are found too.
func (z *ZeekTest) Log(name string) string {
	for _, l := range z.Logs {
		switch filepath.Base(l) {
		case name + ".log", name + ".log.cut", name + ".cut":
			return l
		}
	}
	return ""
}

// ZeekTests returns the manifest, and skips the test where the corpus is absent.
func ZeekTests(t testing.TB) []ZeekTest {
	t.Helper()
	text, err := os.ReadFile(Path(t, "zeek", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tests []ZeekTest
	if err := json.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}
	return tests
}

// ZeekRow is one line of a log by the names of its columns. What Zeek writes as "-" (not set) is absent, "(empty)" is "".
type ZeekRow map[string]string

// ReadZeek reads a log in Zeek's TSV, whole or made by zeek-cut with or without its header.
func ReadZeek(path string) ([]ZeekRow, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rows []ZeekRow
	var columns []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		fields, isHeader := strings.CutPrefix(line, "#fields\t")
		switch {
		case isHeader:
			columns = strings.Split(fields, "\t")
		case line == "" || line[0] == '#':
		case columns == nil: // of zeek-cut -m
			columns = strings.Split(line, "\t")
		default:
			row, err := zeekRow(columns, strings.Split(line, "\t"))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func zeekRow(columns, values []string) (ZeekRow, error) {
	if len(values) != len(columns) {
		return nil, fmt.Errorf("a line of %d columns, want %d", len(values), len(columns))
	}
	row := ZeekRow{}
	for i, v := range values {
		switch v {
		case "-":
		case "(empty)":
			row[columns[i]] = ""
		default:
			row[columns[i]] = zeekUnescape(v)
		}
	}
	return row, nil
}

// zeekUnescape undoes \xNN, which stands for bytes that do not print.
func zeekUnescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
