// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/testbed/apps"
)

// watched is a server with a parser in front of it for each connection.
type watched struct {
	port string

	mu       sync.Mutex
	requests []string
	odd      []string // what should not be
	open     func(protocol.Start) protocol.Parser
}

// watch listens and passes everything on to addr. A parser sees the bytes before they are passed on.
func watch(t *testing.T, addr string) *watched {
	t.Helper()
	w := &watched{}
	w.open = Spec().Setup(&protocol.Env{Emit: func(r *model.Request) {
		w.requests = append(w.requests, line(r))
		if r.Outcome == model.OutcomeIncomplete || r.End < r.ResponseStart || r.ResponseStart < r.RequestEnd && r.ResponseStart > 0 {
			w.odd = append(w.odd, line(r))
		}
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, w.port, _ = net.SplitHostPort(l.Addr().String())
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(client, addr)
		}
	}()
	return w
}

func (w *watched) pass(client net.Conn, addr string) {
	server, err := net.Dial("tcp", addr)
	if err != nil {
		_ = client.Close()
		return
	}
	began := time.Now()
	parser := w.open(protocol.Start{})
	var both sync.WaitGroup
	pump := func(from, to net.Conn, d protocol.Dir) {
		defer both.Done()
		b := make([]byte, 8192)
		for {
			n, err := from.Read(b)
			if n > 0 {
				w.mu.Lock()
				parser.Feed(d, b[:n], time.Since(began))
				w.mu.Unlock()
				_, _ = to.Write(b[:n])
			}
			if err != nil {
				_ = to.(*net.TCPConn).CloseWrite()
				return
			}
		}
	}
	both.Add(2)
	go pump(client, server, protocol.Received)
	go pump(server, client, protocol.Sent)
	both.Wait()
	w.mu.Lock()
	parser.Close(protocol.Close{Time: time.Since(began), Reason: "connection_closed"})
	w.mu.Unlock()
	_, _ = client.Close(), server.Close()
}

// take returns what was reported since the last time, once the connections have gone.
func (w *watched) take() string {
	time.Sleep(100 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	all := strings.Join(w.requests, "\n")
	w.requests = nil
	return all
}

func (w *watched) run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+w.port, "PGUSER=postgres", "PGDATABASE=postgres", "PGSSLMODE=disable")
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func startServer(t *testing.T) *watched {
	t.Helper()
	if testing.Short() || os.Getuid() != 0 {
		t.Skip("a real server is started without -short, as root")
	}
	kit, err := apps.NewKit()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kit.Close)
	server, err := kit.StartBackend(apps.PostgreSQL)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(server.StopBackend)
	return watch(t, server.Addr)
}

func TestRealServer(t *testing.T) {
	w := startServer(t)
	const session = "Startup user=postgres ok\n"
	const left = "\nTerminate ok oneway"
	for _, c := range []struct{ name, sql, want string }{
		{"rows", "SELECT generate_series(1, 20000), 'x'", "Query [SELECT generate_series(?, ?), ?] rows=20000 ok"},
		{"a table", "CREATE TABLE t (a int, b text)", "Query [CREATE TABLE t (a int, b text)] ok"},
		{"a change", "INSERT INTO t SELECT n, 'b' FROM generate_series(1, 500) n", "Query [INSERT INTO t SELECT n, ? FROM generate_series(?, ?) n] rows=500 affected ok"},
		{"an error", "SELECT * FROM nowhere", "Query [SELECT * FROM nowhere] error 42P01 undefined_table"},
		{"an error behind rows", "SELECT 1 / (3 - n) FROM generate_series(1, 5) n", "Query [SELECT ? / (? - n) FROM generate_series(?, ?) n] error 22012 division_by_zero"},
		{"several in one", "UPDATE t SET b = 'c' WHERE a < 3; SELECT count(*) FROM t", "Query [UPDATE t SET b = ? WHERE a < ?; SELECT count(*) FROM t] rows=1 batch=2 ok"},
		{"data out", "COPY t TO STDOUT", "Query [COPY t TO STDOUT] rows=500 affected ok"},
		{"a notice", "DO $$ BEGIN RAISE NOTICE 'secret'; END $$", "Query [DO ?] ok"},
		{"nothing", "", "Query ok"},
	} {
		w.run(t, "", "psql", "-X", "-q", "-c", c.sql)
		if got := w.take(); got != session+c.want+left {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, session+c.want+left)
		}
	}
	w.run(t, "COPY t FROM STDIN;\n1\tx\n2\ty\n\\.\n", "psql", "-X", "-q")
	if got := w.take(); got != session+"Query [COPY t FROM STDIN;] rows=2 affected ok"+left {
		t.Errorf("data in:\n%s", got)
	}
	w.run(t, "", "psql", "-X", "-q", "-U", "nobody", "-c", "SELECT 1")
	if got := w.take(); got != "Startup user=nobody error 28000 invalid_authorization_specification" {
		t.Errorf("a stranger:\n%s", got)
	}
	if len(w.odd) > 0 {
		t.Errorf("odd: %s", strings.Join(w.odd, "\n"))
	}
}

// TestRealServerCountsExactly runs pgbench: 7 commands a transaction, in each way to ask.
func TestRealServerCountsExactly(t *testing.T) {
	w := startServer(t)
	w.run(t, "", "pgbench", "-i", "-q", "-I", "dtGvp")
	w.take()
	for mode, command := range map[string]string{"simple": "Query", "extended": "Execute", "prepared": "Execute"} {
		w.run(t, "", "pgbench", "-n", "-M", mode, "-c", "2", "-t", "25")
		got := strings.Split(w.take(), "\n")
		seen := map[string]int{}
		for _, l := range got {
			word, rest, _ := strings.Cut(l, " ")
			seen[word]++
			if word == command && (!strings.HasPrefix(rest, "[") || !strings.HasSuffix(l, " ok")) {
				t.Errorf("%s: %s", mode, l)
			}
		}
		if want := 2 * 25 * 7; seen[command]-seenElse(got, command) != want {
			t.Errorf("%s: %v, want %d", mode, seen, want)
		}
	}
	script := filepath.Join(t.TempDir(), "pipeline.sql")
	if err := os.WriteFile(script, []byte("\\startpipeline\nSELECT 1;\nSELECT count(*) FROM pgbench_branches;\nSELECT 2;\n\\endpipeline\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"extended", "prepared"} {
		w.run(t, "", "pgbench", "-n", "-M", mode, "-t", "20", "-f", script)
		got := w.take()
		if n := strings.Count(got, "Execute [SELECT ?;] rows=1 ok") + strings.Count(got, "Execute [SELECT count(*) FROM pgbench_branches;] rows=1 ok"); n != 60 {
			t.Errorf("pipeline, %s: %d of 60\n%s", mode, n, got)
		}
	}
	if len(w.odd) > 0 {
		t.Errorf("odd: %s", strings.Join(w.odd, "\n"))
	}
}

// seenElse counts the commands that pgbench runs beside its transactions: it asks for the scale and the partitions.
func seenElse(lines []string, command string) int {
	n := 0
	for _, l := range lines {
		if strings.HasPrefix(l, command) && (strings.Contains(l, "count(*) from pgbench_branches") || strings.Contains(l, "pg_catalog")) {
			n++
		}
	}
	return n
}
