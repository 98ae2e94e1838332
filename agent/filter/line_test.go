// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

func TestLineIsReadAsAShellWould(t *testing.T) {
	for line, want := range map[string]Config{
		"":                               {},
		" \t":                            {},
		"--port 80 --not --process curl": {Allow: Terms{Ports: []uint16{80}}, Deny: Terms{Processes: []string{"curl"}}},
		"--http-status=5+":               {Allow: Terms{HTTPStatuses: []string{"5+"}}},
		"--port 80,443  --port=8080":     {Allow: Terms{Ports: []uint16{80, 443, 8080}}},
		"cart":                           {Allow: Terms{Texts: []string{"cart"}}},
		"cart 'GET /a'":                  {Allow: Terms{Texts: []string{"cart", "GET /a"}}},
		"--not cart shop":                {Allow: Terms{Texts: []string{"shop"}}, Deny: Terms{Texts: []string{"cart"}}},
		`--process "my app" x\ y`:        {Allow: Terms{Processes: []string{"my app"}, Texts: []string{"x y"}}},
		`--process='my "app"'`:           {Allow: Terms{Processes: []string{`my "app"`}}},
		`--text="it's \"so\" \d\\"`:      {Allow: Terms{Texts: []string{`it's "so" \d\`}}},
		`--http-path '^/a,b\d+$'`:        {Allow: Terms{HTTPPaths: []string{`^/a,b\d+$`}}},
		`a"b c"d`:                        {Allow: Terms{Texts: []string{"ab cd"}}},
		`'a\"b'`:                         {Allow: Terms{Texts: []string{`a\"b`}}},
		"--text=--port":                  {Allow: Terms{Texts: []string{"--port"}}},
		"--text -x":                      {Allow: Terms{Texts: []string{"-x"}}},
		"--to-ip 10.1.2.3/8":             {Allow: Terms{ToIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}},
		"--min-duration 250ms":           {Allow: Terms{MinDurations: []time.Duration{250 * time.Millisecond}}},
	} {
		if got, err := ParseLine(line); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v", line, got, err, want)
		}
	}
}

func TestWrongLineSaysWhereAndWhatIsAccepted(t *testing.T) {
	for line, want := range map[string]string{
		"--port 80 --prot http":      "column 11: --prot is no filter: accepted are --not, --protocol, --port,",
		"é --port http":              `column 3: --port "http": accepted are 1 to 65535`,
		"cart --role":                "column 6: --role needs a value: accepted are client, server, wire",
		"cart --http-status=6":       `column 6: --http-status "6": accepted are 404, 5+`,
		"a --not":                    "column 3: --not is not followed by a filter",
		"--not --not a":              "column 7: --not twice in a row",
		"-port 80":                   `column 1: "-port": flags begin with two dashes; for a text that begins with one write --text=-port`,
		"cart 'shop":                 "column 6: the quote ' is not closed",
		`--process "a\"`:             `column 11: the quote " is not closed`,
		`cart\`:                      `column 5: a backslash stands at the end: write \\ for one`,
		`--http-path a(`:             "column 1: --http-path \"a(\": accepted are a regular expression",
		`''`:                         `column 1: --text "": accepted are a text of at least one character`,
		"--type flow --outcome ok":   "--outcome looks at requests, which --type leaves out: add --type request",
		"--port 1 --not=x":           "column 10: --not takes no value",
		"--port 80 -- --process foo": "column 11: -- is no filter",
	} {
		_, err := ParseLine(line)
		if err == nil {
			t.Errorf("%s: accepted", line)
			continue
		}
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", line, err, want)
		}
		var le *LineError
		if errors.As(err, &le) && (le.At < 0 || le.At >= len(line)) {
			t.Errorf("%s: at %d", line, le.At)
		}
	}
}

func TestLineIsWrittenAsPlainlyAsPossible(t *testing.T) {
	for line, want := range map[string]string{
		"":                                     "",
		"cart --port=80 --port 443 --not a":    "--port 80,443 cart --not a",
		"--ip 10.0.0.7 --to-ip 10.0.0.0/8":     "--ip 10.0.0.7 --to-ip 10.0.0.0/8",
		`"a b" x\'y --text=-z`:                 `'a b' "x'y" --text=-z`,
		`--http-path a,b --http-path '^/\d'`:   `--http-path a,b --http-path '^/\d'`,
		"--not --process a,b --not --pid 7 b":  "b --not --pid 7 --not --process a,b",
		"--min-duration 1500ms":                "--min-duration 1.5s",
		"--protocol HTTP --role client,server": "--protocol HTTP --role client,server",
	} {
		c, err := ParseLine(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got := FormatLine(c); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
		}
	}
}

// offered are the texts of the candidates where | is in the line.
func offered(t *testing.T, line string) []string {
	t.Helper()
	cursor := strings.IndexByte(line, '|')
	line = line[:cursor] + line[cursor+1:]
	var out []string
	for _, c := range Complete(line, cursor, traffic) {
		if c.From > cursor || c.To < cursor || c.To > len(line) {
			t.Errorf("%s: %q stands for [%d, %d), the cursor is at %d", line, c.Text, c.From, c.To, cursor)
		}
		out = append(out, line[:c.From]+c.Text+line[c.To:])
	}
	return out
}

func traffic(flag string) []string {
	switch flag {
	case "process":
		return []string{"nginx", "node", "my app", "curl"}
	case "port":
		return []string{"8080", "80"}
	case "role": // a closed list has no other words
		return []string{"sender"}
	case "http-status":
		return []string{"404", "200"}
	}
	return nil
}

func TestCompletion(t *testing.T) {
	for line, want := range map[string][]string{
		"--proc|":             {"--process"},
		"--pro|":              {"--protocol", "--process"},
		"-pi|":                {"--pid"},
		"pi|":                 {"--pid"},
		"--port 80 --http-m|": {"--port 80 --http-method"},
		"--por| 80":           {"--port 80"},
		"--p|roc nginx":       {"--protocol nginx", "--port nginx", "--pid nginx", "--process nginx"},
		"--not --not|":        nil,
		"--no|":               {"--not"},
		"--role |":            {"--role client", "--role server", "--role wire"},
		"--role=s|":           {"--role=server"},
		"--role server,|":     {"--role server,client", "--role server,wire"},
		"--process n|":        {"--process nginx", "--process node"},
		"--from-process N|":   {"--from-process nginx", "--from-process node"},
		"--process |":         {"--process nginx", "--process node", "--process 'my app'", "--process curl"},
		"--process 'm|":       {"--process 'my app'"},
		"--process=\"my a|":   {"--process='my app'"},
		"--to-port 8|":        {"--to-port 8080", "--to-port 80"},
		"--http-status |": {"--http-status 404", "--http-status 200", "--http-status 2+", "--http-status 3+", "--http-status 4+",
			"--http-status 5+"},
		"--http-method p|":      {"--http-method POST", "--http-method PUT", "--http-method PATCH"},
		"--type re|":            {"--type request"},
		"--process --port rol|": {"--process --port --role"}, // --port is a name here
		"--nothing=|":           nil,
		"--text ngi|":           nil,
		"zzz|":                  nil,
		"--http-path /|":        nil,
		"--role client z| --no": nil,
	} {
		got := offered(t, line)
		if !slices.Equal(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", line, got, want)
		}
	}
}

func TestEmptyLineIsCompletedToEveryFlag(t *testing.T) {
	got := Complete("", 0, nil)
	if len(got) != int(kindCount)+1 || got[len(got)-1].Text != "--not" {
		t.Errorf("%d candidates for %d flags and --not", len(got), kindCount)
	}
	for _, c := range got {
		if c.Usage == "" {
			t.Errorf("%s says nothing", c.Text)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{
		"--port 80 --not --process curl", "--http-status=5+", `"a b" c\ d 'e' --text=-x`, `--http-path '^/\d+,$'`, "--ip ::1 --not b",
		"--min-duration 1h,2ms --trace-id " + traceID, "--process 'a\tb', \xff", "--container 3F --type request,flow",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := ParseLine(line)
		if err != nil {
			var le *LineError
			if errors.As(err, &le) && (le.At < 0 || le.At > len(line)) {
				t.Fatalf("%q: error at %d", line, le.At)
			}
			return
		}
		if _, err := Compile(c); err != nil {
			t.Fatalf("%q does not compile: %v", line, err)
		}
		written := FormatLine(c)
		again, err := ParseLine(written)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%q is written as %q, which reads as %+v, %v, not as %+v", line, written, again, err, c)
		}
		if FormatLine(again) != written {
			t.Fatalf("%q is written as %q the second time", written, FormatLine(again))
		}
	})
}

func FuzzComplete(f *testing.F) {
	f.Add("--process 'my a", 12)
	f.Add("--port=8 --not", 8)
	f.Fuzz(func(t *testing.T, line string, cursor int) {
		for _, c := range Complete(line, cursor, traffic) {
			if c.From < 0 || c.From > c.To || c.To > len(line) || c.Text == "" {
				t.Fatalf("%q at %d: %+v", line, cursor, c)
			}
		}
	})
}

// FuzzText holds that a text is found exactly where it stands.
func FuzzText(f *testing.F) {
	f.Add("/Api/Users", "api")
	f.Fuzz(func(t *testing.T, path, text string) {
		if text == "" || strings.ContainsAny(text, "\x00 ") {
			return
		}
		c := Config{Allow: Terms{Texts: []string{text}}}
		filter, err := Compile(c)
		if err != nil {
			t.Fatal(err)
		}
		r := &model.Request{HTTP: &model.HTTP{Path: path}}
		want := strings.Contains(string(appendLower(nil, path)), string(appendLower(nil, text))) ||
			strings.Contains("ok", string(appendLower(nil, text)))
		if got := filter.Request(r); got != want {
			t.Errorf("%q in %q: %v", text, path, got)
		}
	})
}
