// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
		if r.Outcome == model.OutcomeIncomplete || r.End < r.ResponseStart || r.DB.System != "mariadb" {
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

func (w *watched) run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("mariadb", append([]string{"--no-defaults", "-h127.0.0.1", "-P" + w.port, "-uroot", "-A", "--local-infile=1"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("%v: %s", err, out)
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
	server, err := kit.StartBackend(apps.MariaDB)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(server.StopBackend)
	return watch(t, server.Addr)
}

func TestRealServer(t *testing.T) {
	w := startServer(t)
	w.run(t, "", "-e", "CREATE DATABASE IF NOT EXISTS shop")
	w.take()
	const session = "Login user=root in shop ok\nCOM_QUERY [select @@version_comment limit ?] rows=1 in shop ok\n"
	const left = "\nCOM_QUIT in shop ok oneway"
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, []byte(strings.Repeat("7\tx\n", 3000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, sql, want string }{
		{"a table", "CREATE TABLE t (a int, b text)", "COM_QUERY [CREATE TABLE t (a int, b text)] rows=0 affected in shop ok"},
		{"a change", "INSERT INTO t SELECT seq, 'b' FROM seq_1_to_20000", "COM_QUERY [INSERT INTO t SELECT seq, ? FROM seq_1_to_20000] rows=20000 affected in shop ok"},
		{"rows", "SELECT a, b FROM t", "COM_QUERY [SELECT a, b FROM t] rows=20000 in shop ok"},
		{"an error", "SELECT * FROM nowhere", "COM_QUERY [SELECT * FROM nowhere] in shop error 1146 ER_NO_SUCH_TABLE"},
		{"a long text", "SELECT length('" + strings.Repeat("x", 100000) + "')", "COM_QUERY [SELECT length(?] rows=1 cut in shop ok"},
		{"a file", "LOAD DATA LOCAL INFILE '" + data + "' INTO TABLE t", "COM_QUERY [LOAD DATA LOCAL INFILE ? INTO TABLE t] rows=3000 affected in shop ok"},
		{"prepared in SQL", "EXECUTE IMMEDIATE 'SELECT 1 FROM t LIMIT 3'", "COM_QUERY [EXECUTE IMMEDIATE ?] rows=3 in shop ok"},
		{"a procedure with two results", "BEGIN NOT ATOMIC SELECT 1; SELECT 2 UNION SELECT 3; END", "COM_QUERY [BEGIN NOT ATOMIC SELECT ?; SELECT ? UNION SELECT ?; END] rows=0 affected batch=3 in shop ok"},
	} {
		for _, compress := range []string{"--skip-compress", "--compress"} {
			if compress == "--compress" && (c.name == "a table" || c.name == "a change" || c.name == "a file") {
				continue // once is enough, and changes what is there
			}
			w.run(t, "", "-Dshop", compress, "--delimiter=//", "-e", c.sql)
			got := strings.Replace(w.take(), "COM_QUERY [select @@version_comment limit ?] rows=1 in shop ok\n", "", 1)
			if want := strings.Replace(session, "COM_QUERY [select @@version_comment limit ?] rows=1 in shop ok\n", "", 1) + c.want + left; got != want {
				t.Errorf("%s, %s:\n%s\nwant\n%s", c.name, compress, got, want)
			}
		}
	}
	w.run(t, "", "-e", "USE shop; SELECT 1; USE nope; SELECT 2", "--force")
	if got := w.take(); !strings.Contains(got, "COM_INIT_DB rows=0 affected in shop ok\nCOM_QUERY [SELECT ?] rows=1 in shop ok\nCOM_QUERY [SELECT DATABASE()] rows=1 in shop ok\nCOM_INIT_DB in nope error 1049 ER_BAD_DB_ERROR\nCOM_QUERY [SELECT ?] rows=1 in shop ok") {
		t.Errorf("databases:\n%s", got)
	}
	w.run(t, "", "-unobody", "-e", "SELECT 1")
	if got := w.take(); got != "Login user=nobody error 1045 ER_ACCESS_DENIED_ERROR" {
		t.Errorf("a stranger:\n%s", got)
	}
	if len(w.odd) > 0 {
		t.Errorf("odd: %s", strings.Join(w.odd, "\n"))
	}
}

// TestRealServerCountsExactly runs sysbench, with statements prepared and not: as many requests as it says it made.
func TestRealServerCountsExactly(t *testing.T) {
	if _, err := exec.LookPath("sysbench"); err != nil {
		t.Skip("not installed: apt-get install sysbench")
	}
	w := startServer(t)
	w.run(t, "", "-e", "CREATE DATABASE IF NOT EXISTS shop")
	bench := func(verb, mode string) string {
		out, err := exec.Command("sysbench", "oltp_read_write", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-port="+w.port,
			"--mysql-user=root", "--mysql-db=shop", "--table-size=200", "--threads=2", "--events=50", "--time=0",
			"--db-ps-mode="+mode, verb).CombinedOutput()
		if err != nil {
			t.Fatalf("sysbench: %v\n%s", err, out)
		}
		return string(out)
	}
	bench("prepare", "disable")
	w.take()
	for mode, command := range map[string]string{"disable": "COM_QUERY [", "auto": "COM_STMT_EXECUTE ["} {
		out := bench("run", mode)
		number := func(label string) int {
			_, behind, _ := strings.Cut(out, label)
			n, err := strconv.Atoi(strings.Fields(behind)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		failed := number("ignored errors:") // deadlocks, which it does not count as queries
		want, got := number("total:")+failed, 0
		for l := range strings.Lines(w.take()) {
			if !strings.HasPrefix(l, command) || strings.Contains(l, "SHOW ") || strings.Contains(l, "SELECT @@") {
				continue
			}
			if got++; strings.Contains(l, " error 1213 ER_LOCK_DEADLOCK") {
				failed--
			} else if !strings.Contains(l, " ok") {
				t.Errorf("%s: %s", mode, l)
			}
		}
		if got != want || failed != 0 {
			t.Errorf("%s: %d requests, sysbench says %d; %d errors not seen\n%s", mode, got, want, failed, out)
		}
	}
	if len(w.odd) > 0 {
		t.Errorf("odd: %s", strings.Join(w.odd, "\n"))
	}
}
