// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// What a command of a cache is counted by.
var cacheKeys = []string{"db.operation.name", "db.query.text", "db.response.status_code", "db.response.returned_rows", "db.operation.batch.size"}

func TestMemcachedCommandsAreCountedWithKeysAndErrors(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Memcached)
	ob := l.observe(t, s.Port)
	c := l.steps(t, "python/memcached.py", s)
	stored, got := c.step("store 300"), c.step("get 300")
	c.step("multiget 11")
	c.step("quiet 40")
	c.step("pipelined 50")
	c.step("large 200000")
	c.step("errors 5")
	c.step("meta 6")
	c.close()
	want := harness.Tally{}
	for i := range 300 {
		want.Both(1, fmt.Sprintf("ok set set key%d ? ? ?", i))
		want.Both(1, fmt.Sprintf("ok get get key%d 1", i))
	}
	want.Both(11, "ok get get key0 key1 key2 nothing 3")
	want.Both(40, "ok set set quiet ? ? ? ?") // noreply
	want.Both(1, "ok delete delete quiet")
	want.Both(50, "ok incr incr counter ?")
	want.Both(1, "ok set set large ? ? ?")
	want.Both(1, "ok get get large 1")
	want.Both(5, "error nonsense nonsense ERROR")
	want.Both(5, "error incr incr key0 ? CLIENT_ERROR")
	want.Both(6, "ok mg mg key0 ? 1")
	want.Both(6, "ok mn mn")
	events := ob.expectTally(want, cacheKeys...)
	agree(t, stored, events, numberedKey("set key", 300))
	agree(t, got, events, numberedKey("get key", 300))
	named(t, events, "memcached")
}

func TestMemcachedJoinedInTheMiddle(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Memcached)
	c := l.steps(t, "python/memcached.py", s)
	c.step("store 5")
	ob := l.observe(t, s.Port)
	c.step("get 5")
	c.step("multiget 20")
	c.close()
	want := harness.Tally{}
	for i := range 5 {
		want.Both(1, fmt.Sprintf("ok get get key%d 1", i))
	}
	want.Both(20, "ok get get key0 key1 key2 nothing 3")
	named(t, ob.expectTally(want, cacheKeys...), "memcached")
}

func TestRedisCommandsAreCountedWithKeysAndErrors(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Redis)
	ob := l.observe(t, s.Port)
	c := l.steps(t, "python/redis_steps.py", s)
	set, get := c.step("set 300"), c.step("get 300")
	c.step("transaction 20")
	c.step("errors 7")
	c.step("large 200000")
	c.close()
	want := harness.Tally{}
	want.Both(300, "ok SET SET key ?")
	want.Both(300, "ok GET GET key")
	wantTransactions(want, 20)
	want.Both(1, "ok SET SET text ?")
	want.Both(7, "error LPUSH LPUSH text ? WRONGTYPE")
	want.Both(1, "ok SET SET large ?")
	want.Both(1, "ok GET GET large")
	events := ob.expectTally(want, cacheKeys...)
	agree(t, set, events, with("db.query.text", "SET key ?"))
	agree(t, get, events, with("db.query.text", "GET key"))
	named(t, events, apps.ProcessName(s.PID))
}

// wantTransactions is n times what the step "transaction" does.
func wantTransactions(want harness.Tally, n int) {
	want.Both(n, "ok MULTI MULTI")
	want.Both(n, "ok INCRBY INCRBY counter ?")
	want.Both(n, "ok EXPIRE EXPIRE counter ?")
	want.Both(n, "ok EXEC EXEC 2")
}

// commandStats returns how often Redis says that it performed each command.
func commandStats(t testing.TB, s *apps.Server) map[string]int {
	t.Helper()
	stats := map[string]int{}
	out := run(t, "redis-cli", "-p", strconv.Itoa(s.Port), "INFO", "commandstats")
	for _, m := range regexp.MustCompile(`cmdstat_([^:]+):calls=(\d+)`).FindAllStringSubmatch(out, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		stats[strings.ReplaceAll(m[1], "|", " ")] = n
	}
	return stats
}

// fill pipes n times two commands into Redis with redis-cli, which adds an ECHO to know when all were answered.
func fill(t testing.TB, s *apps.Server, n int) {
	t.Helper()
	var commands strings.Builder
	for i := range n {
		fmt.Fprintf(&commands, "*3\r\n$3\r\nSET\r\n$7\r\nkey%04d\r\n$6\r\nsecret\r\n*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n", i)
	}
	out := runWith(t, commands.String(), "redis-cli", "-p", strconv.Itoa(s.Port), "--pipe")
	if !strings.Contains(out, fmt.Sprintf("errors: 0, replies: %d", 2*n)) {
		t.Fatal(out)
	}
}

func TestRedisPipelinesAgreeWithCommandStats(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Redis)
	ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
	fill(t, s, 1000) // 68 kB
	run(t, "redis-benchmark", "-p", strconv.Itoa(s.Port), "-n", "20000", "-P", "16", "-c", "10", "-t", "set,get,lpush,ping_mbulk", "-q")
	want := harness.Tally{}
	for name, n := range commandStats(t, s) {
		want.Both(n, "ok "+name)
	}
	want.Both(1, "ok info") // which does not count itself
	if d := harness.DiffTally(want, operations(ob.finish(want.Total()))); d != "" {
		t.Error(d)
	}
}

// operations counts requests by their command alone, in lower case as Redis counts them.
func operations(events []harness.Event) harness.Tally {
	got := harness.Tally{}
	for line, n := range harness.CountBy(events, "db.operation.name") {
		got[strings.ToLower(line)] += n
	}
	return got
}

// TestRedisPipelineThatIsNotCopiedWhole is beyond what the kernel copies of one turn. What is reported must have been sent, and
// must not be an error; what comes behind it is exact again.
func TestRedisPipelineThatIsNotCopiedWholeIsNeverReportedWrong(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Redis)
	ob := l.observe(t, s.Port)
	fill(t, s, 5000)
	fill(t, s, 20)
	got := operations(ob.finish(2 * 40))
	t.Log(got)
	for line, n := range got {
		words := append(strings.Fields(line), "") // a command that was cut has no name
		if words[1] == "error" || !slices.Contains([]string{"", "echo", "set", "incr"}, words[2]) || n > 5020 {
			t.Errorf("%s: %d", line, n)
		}
	}
	for _, role := range []string{"client", "server"} {
		if n := got[role+" ok incr"]; n < 20 {
			t.Errorf("%s: %d increments, at least the last 20 can be known", role, n)
		}
	}
}

func TestRedisJoinedInTheMiddle(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Redis)
	c := l.steps(t, "python/redis_steps.py", s)
	c.step("set 5")
	ob := l.observe(t, s.Port)
	c.step("get 20")
	c.step("transaction 5")
	c.close()
	want := harness.Tally{}
	want.Both(20, "ok GET GET key")
	wantTransactions(want, 5)
	named(t, ob.expectTally(want, cacheKeys...), apps.ProcessName(s.PID))
}
