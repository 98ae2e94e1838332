// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/sys/unix"
)

// exchange is a request of HTTP and its answer, after took.
type exchange struct {
	server byte // last byte of its address
	method string
	path   string
	status int // 0: no answer
	took   time.Duration
}

// shopCapture writes a capture of exchanges, one every 100 ms on a connection of its own, and returns its path.
func shopCapture(t *testing.T, exchanges []exchange) string {
	t.Helper()
	var out bytes.Buffer
	w := pcapgo.NewWriterNanos(&out)
	if err := w.WriteFileHeader(65535, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	write := func(at time.Time, ip *layers.IPv4, tcp *layers.TCP, payload string) {
		b := gopacket.NewSerializeBuffer()
		ip.Version, ip.IHL, ip.Protocol, tcp.ACK = 4, 5, layers.IPProtocolTCP, true
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, ip, tcp, gopacket.Payload(payload)); err != nil {
			t.Fatal(err)
		}
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}, b.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	client := []byte{10, 0, 0, 1}
	for i, x := range exchanges {
		at, server, port := time.Unix(1_700_000_000, int64(i)*1e8), []byte{10, 0, 1, x.server}, layers.TCPPort(40000+i)
		request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: shop\r\n\r\n", x.method, x.path)
		write(at, &layers.IPv4{SrcIP: client, DstIP: server}, &layers.TCP{SrcPort: port, DstPort: 8080, Seq: 1, Ack: 1}, request)
		if x.status != 0 {
			answer := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", x.status)
			write(at.Add(x.took), &layers.IPv4{SrcIP: server, DstIP: client},
				&layers.TCP{SrcPort: 8080, DstPort: port, Seq: 1, Ack: uint32(len(request)) + 1}, answer)
		}
	}
	path := filepath.Join(t.TempDir(), "shop.pcap")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shop are 60 exchanges: 30 and 15 at one server, 10 of which fail; 14 at another; one without an answer.
func shop() []exchange {
	var all []exchange
	for i := range 30 {
		status := 200
		if i%3 == 0 {
			status = 500
		}
		all = append(all, exchange{2, "GET", "/orders", status, time.Duration(i+1) * time.Millisecond})
	}
	for range 15 {
		all = append(all, exchange{2, "POST", "/orders", 201, 10 * time.Millisecond})
	}
	for range 14 {
		all = append(all, exchange{3, "GET", "/cart", 404, time.Millisecond})
	}
	return append(all, exchange{3, "GET", "/cart", 0, 0})
}

func TestGroupsHaveExactCounts(t *testing.T) {
	path := shopCapture(t, shop())
	for _, c := range []struct {
		args string
		want []string // key=value... count errors incomplete
	}{
		{"--group-by server", []string{"server=10.0.1.2:8080 45 10 0", "server=10.0.1.3:8080 15 14 1"}},
		{"--group-by server --sort key --top 1", []string{"server=10.0.1.2:8080 45 10 0", "other 15 14 1"}},
		{"--group-by method,path --sort errors", []string{"method=GET path=/cart 15 14 1", "method=GET path=/orders 30 10 0", "method=POST path=/orders 15 0 0"}},
		{"--group-by status", []string{"status=200 20 0 0", "status=201 15 0 0", "status=404 14 14 0", "status=500 10 10 0", "1 0 1"}},
		{"--group-by outcome --http-path orders", []string{"outcome=ok 35 0 0", "outcome=error 10 10 0"}},
		{"--group-by host,protocol,role,port", []string{"host=shop port=8080 protocol=http role=wire 60 24 1"}},
		{"--group-by client --not --text cart --min-duration 10ms", []string{"client=10.0.0.1 36 7 0"}},
		{"--group-by name --limit 7", []string{"7 3 0"}},
		{"--group-by server --text nowhere", nil},
		{"--group-by status --type flow", []string{"status=active 60 0 0"}},
	} {
		r := sonde(t, append([]string{"observe", "--quiet", "-o", "json", "--read", path}, strings.Fields(c.args)...)...)
		var got []string
		for line := range strings.Lines(r.stdout) {
			var g struct {
				By                        map[string]string
				Other                     bool
				Count, Errors, Incomplete int
			}
			if err := json.Unmarshal([]byte(line), &g); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			text := ""
			for _, k := range []string{"client", "server", "host", "method", "name", "outcome", "path", "port", "protocol", "role", "status"} {
				if v := g.By[k]; v != "" {
					text += k + "=" + v + " "
				}
			}
			if g.Other {
				text += "other "
			}
			got = append(got, fmt.Sprintf("%s%d %d %d", text, g.Count, g.Errors, g.Incomplete))
		}
		if r.code != exitOK || r.stderr != "" || strings.Join(got, "; ") != strings.Join(c.want, "; ") {
			t.Errorf("%s: exit code %d, %s\ngot  %s\nwant %s", c.args, r.code, r.stderr, strings.Join(got, "; "), strings.Join(c.want, "; "))
		}
	}
}

func TestGroupsCountTheLinesThatWouldBeShown(t *testing.T) {
	path := shopCapture(t, shop())
	for _, args := range []string{"--type request", "--type request --http-status 4+", "--type request --not --text post"} {
		lines := sonde(t, append([]string{"observe", "--quiet", "--read", path}, strings.Fields(args)...)...)
		table := sonde(t, append([]string{"observe", "--quiet", "--group-by", "path,status,pid", "--read", path}, strings.Fields(args)...)...)
		total := regexp.MustCompile(`(?m)^\(total\) +(\d+)`).FindStringSubmatch(table.stdout)
		if total == nil || total[1] != strconv.Itoa(strings.Count(lines.stdout, "\n")) {
			t.Errorf("%s: %d lines, and\n%s", args, strings.Count(lines.stdout, "\n"), table.stdout)
		}
	}
}

func TestIntervalsOfAFileAreThoseOfItsTime(t *testing.T) {
	path := shopCapture(t, shop())
	r := sonde(t, "observe", "--quiet", "--read", path, "--group-by", "server", "--interval", "2s")
	var totals []int
	sum := 0
	for _, m := range regexp.MustCompile(`(?m)^\(total\) +(\d+)`).FindAllStringSubmatch(r.stdout, -1) {
		n, _ := strconv.Atoi(m[1])
		totals = append(totals, n)
		sum += n
	}
	if len(totals) < 3 || len(totals) > 5 || sum != 60 {
		t.Errorf("six seconds give %v requests, of 60:\n%s", totals, r.stdout)
	}
	if n := len(regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d to \d\d:\d\d:\d\d$`).FindAllString(r.stdout, -1)); n != len(totals) {
		t.Errorf("%d times for %d tables", n, len(totals))
	}
}

func TestStatsAreALine(t *testing.T) {
	path := shopCapture(t, shop())
	for args, want := range map[string]string{
		"--type request":                  "shown=60 filtered=60 lost=0 requests=60 ok=35 error=24 incomplete=1 flows=0 rate=",
		"--type request --http-status 5+": "shown=10 filtered=110 lost=0 requests=10 ok=0 error=10 incomplete=0 flows=0 rate=",
		"--type flow":                     "shown=60 filtered=60 lost=0 requests=0 ok=0 error=0 incomplete=0 flows=60 rate=0.0 ",
		"--group-by status":               "shown=60 filtered=60 lost=0 requests=60 ok=35 error=24 incomplete=1 flows=0 rate=",
	} {
		r := sonde(t, append([]string{"observe", "--quiet", "--stats", "--read", path}, strings.Fields(args)...)...)
		line := regexp.MustCompile(`^sonde: stats duration_s=\d+\.\d{3} (.*)rate=(\d+\.\d) cpu_s=\d+\.\d{3}\n$`)
		if m := line.FindStringSubmatch(r.stderr); m == nil || !strings.HasPrefix(m[1]+"rate="+m[2]+" ", want) {
			t.Errorf("%s: %q", args, r.stderr)
		}
	}
}

func TestExitCodeTellsWhetherAnythingWasShown(t *testing.T) {
	path := shopCapture(t, shop())
	for _, c := range []struct {
		args string
		code int
	}{
		{"--exit-code", exitOK},
		{"--exit-code --text nowhere", exitNothing},
		{"--text nowhere", exitOK},
		{"--exit-code --group-by status --text nowhere", exitNothing},
		{"--exit-code --group-by status", exitOK},
		{"--exit-code --read /no/such/file", exitFailure},
		{"--exit-code --group-by colour", exitUsage},
	} {
		r := sonde(t, append([]string{"observe", "--quiet", "--read", path}, strings.Fields(c.args)...)...)
		if r.code != c.code || c.code == exitNothing && r.stderr != "" {
			t.Errorf("%s: exit code %d, want %d: %s", c.args, r.code, c.code, r.stderr)
		}
	}
}

// inTerminal runs this program as sonde in a terminal of 100 columns and returns what reaches that.
func inTerminal(t *testing.T, environment []string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	defer master.Close()
	var n int
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if n, err = unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append([]string{asSonde + "=1", "TERM=xterm"}, environment...)
	cmd.Stdout = slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	out, _ := io.ReadAll(master) // ends with an error when the last one that writes has gone
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

func TestColoursAreForTerminals(t *testing.T) {
	path := shopCapture(t, shop())
	for _, args := range [][]string{{"-o", "compact"}, {"-o", "table"}, {"--group-by", "server"}} {
		args = append([]string{"observe", "--quiet", "--read", path}, args...)
		coloured := func(out string) bool { return strings.Contains(out, "\x1b[") }
		with := func(more ...string) []string { return append(append([]string(nil), args...), more...) }
		for _, c := range []struct {
			name string
			out  string
			want bool
		}{
			{"a pipe", sonde(t, args...).stdout, false},
			{"a pipe, always", sonde(t, with("--color", "always")...).stdout, true},
			{"a terminal", inTerminal(t, nil, args...), true},
			{"a terminal, never", inTerminal(t, nil, with("--color=never")...), false},
			{"a terminal with NO_COLOR", inTerminal(t, []string{"NO_COLOR=1"}, args...), false},
			{"a terminal with NO_COLOR, always", inTerminal(t, []string{"NO_COLOR=1"}, with("--color=always")...), true},
		} {
			if coloured(c.out) != c.want || c.out == "" {
				t.Errorf("%v at %s: coloured %v:\n%q", args[4:], c.name, !c.want, c.out[:min(len(c.out), 300)])
			}
		}
	}
}

func TestTablesKeepToTheTerminal(t *testing.T) {
	path := shopCapture(t, append(shop(), exchange{4, "GET", "/" + strings.Repeat("long", 50), 200, time.Second}))
	out := inTerminal(t, []string{"NO_COLOR=1"}, "observe", "--quiet", "--read", path, "--group-by", "path,server,status")
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(out, "longlong") || !strings.Contains(out, "…") {
		t.Errorf("the long path is not there, or not cut:\n%s", out)
	}
}

// TestReaderThatIsGoneIsNoError closes the pipe before the first line.
func TestReaderThatIsGoneIsNoError(t *testing.T) {
	path := shopCapture(t, shop())
	for _, format := range [][]string{{"-o", "json"}, {"--group-by", "server"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, append([]string{"observe", "--quiet", "--read", path}, format...)...)
		var errs bytes.Buffer
		cmd.Env, cmd.Stdout, cmd.Stderr = []string{asSonde + "=1"}, w, &errs
		r.Close()
		err = cmd.Run()
		w.Close()
		if code := cmd.ProcessState.ExitCode(); code > 0 || errs.Len() > 0 {
			t.Errorf("%v: %v, exit code %d, stderr %q", format, err, code, errs.String())
		}
	}
}

func TestOneTraceCanBeAskedFor(t *testing.T) {
	path := shopCapture(t, shop())
	var first struct {
		TraceID string `json:"trace_id"`
	}
	r := sonde(t, "observe", "--quiet", "--read", path, "-o", "json", "--type", "request", "--limit", "1")
	if err := json.Unmarshal([]byte(r.stdout), &first); err != nil || len(first.TraceID) != 32 {
		t.Fatalf("%v: %q", err, r.stdout)
	}
	for _, format := range []string{"compact", "table", "json"} {
		r := sonde(t, "observe", "--quiet", "--read", path, "-o", format, "--trace-id", first.TraceID)
		if n := strings.Count(r.stdout, "GET"); n != 1 {
			t.Errorf("%s: %d requests of one trace:\n%s", format, n, r.stdout)
		}
	}
}
