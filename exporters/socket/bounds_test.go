// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"sonde/agent/view"
)

// raw connects without a client of HTTP.
func raw(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ended tells whether the peer closes a connection within d.
func ended(c net.Conn, d time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(d))
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestConnectionsThatDoNothingAreEnded(t *testing.T) {
	c := here(t)
	c.ReadTimeout, c.Answer, c.Idle = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	serve(t, c, &world{snapshot: func(_ context.Context, q view.Query) (*view.Snapshot, error) {
		return &view.Snapshot{Page: q.Page}, nil
	}})
	for _, x := range []struct{ name, says string }{
		{"one that says nothing", ""},
		{"one that stops in the head", "GET /v1/version HTTP/1.1\r\nHost: "},
		{"one that stops in the body", "POST /v1/snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{"},
		{"one that has asked", "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n"},
	} {
		t.Run(x.name, func(t *testing.T) {
			conn := raw(t, c.Path)
			if _, err := io.WriteString(conn, x.says); err != nil {
				t.Fatal(err)
			}
			if !ended(conn, 5*time.Second) {
				t.Error("it is still open")
			}
		})
	}
	t.Run("one that sends a byte now and then", func(t *testing.T) {
		conn := raw(t, c.Path)
		_, err := io.WriteString(conn, "GET /v1/version HTTP/1.1\r\nX: ")
		for range 100 {
			if err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
			_, err = io.WriteString(conn, "x")
		}
		t.Error("it is still open")
	})
}

// big is an answer that no buffer of a socket holds.
var big = &view.Snapshot{Host: strings.Repeat("x", 8<<20)}

func TestReadersThatHangCostOthersNothing(t *testing.T) {
	c := here(t)
	c.ReadTimeout, c.Answer, c.Idle = time.Second, time.Second, time.Second // 3 s to take an answer
	serve(t, c, &world{snapshot: func(_ context.Context, q view.Query) (*view.Snapshot, error) {
		if q.Page == view.PageRequests {
			return big, nil
		}
		return &view.Snapshot{Page: q.Page}, nil
	}})
	var hung []net.Conn
	for i := range 8 {
		conn := raw(t, c.Path)
		limit := view.MaxLimit * (i % 2) // large answers, whose number is bounded, and others
		fmt.Fprintf(conn, "GET /v1/snapshot?page=requests&limit=%d HTTP/1.1\r\nHost: x\r\n\r\n", limit)
		hung = append(hung, conn)
	}
	client := dial(t, c.Path)
	slowest := time.Duration(0)
	for until := time.Now().Add(time.Second); time.Now().Before(until); {
		from := time.Now()
		if _, err := client.Snapshot(t.Context(), view.Query{Page: view.PageServices}); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(from))
	}
	if slowest > 2*time.Second { // the machine may be busy
		t.Errorf("an answer took %v", slowest)
	}
	time.Sleep(3 * time.Second) // the time for answers is over
	for i, conn := range hung {
		if !ended(conn, 5*time.Second) {
			t.Errorf("reader %d is still being written to", i)
		}
	}
}

func TestLargeAnswersAreFewAtATime(t *testing.T) {
	c := here(t)
	c.MaxLarge = 1
	entered, leave := make(chan struct{}, 9), make(chan struct{})
	serve(t, c, &world{snapshot: func(_ context.Context, q view.Query) (*view.Snapshot, error) {
		if q.Limit > LargeRows {
			entered <- struct{}{}
			<-leave
		}
		return &view.Snapshot{Page: q.Page}, nil
	}})
	client, other := dial(t, c.Path), dial(t, c.Path)
	first := make(chan error, 1)
	go func() {
		_, err := client.Snapshot(context.Background(), view.Query{Page: view.PageConns, Limit: view.MaxLimit})
		first <- err
	}()
	<-entered
	if _, err := other.Snapshot(t.Context(), view.Query{Page: view.PageConns, Limit: LargeRows}); err != nil {
		t.Errorf("an answer that is not large: %v", err)
	}
	_, err := other.Snapshot(t.Context(), view.Query{Page: view.PageConns, Limit: LargeRows + 1})
	var said *Error
	if !errors.As(err, &said) || said.Code != CodeBusy || len(entered) > 0 {
		t.Errorf("a second large one: %v", err)
	}
	close(leave)
	if err := <-first; err != nil {
		t.Errorf("the first: %v", err)
	}
	if _, err := other.Snapshot(t.Context(), view.Query{Page: view.PageConns, Limit: view.MaxLimit}); err != nil {
		t.Errorf("one after it: %v", err)
	}
}

func TestAHundredViewersAtOnceAreAllAnswered(t *testing.T) {
	c := here(t)
	c.MaxConns = 100
	s, _ := serve(t, c, &world{})
	if refused := crowd(t, c.Path, 100); refused > 0 {
		t.Errorf("%d of 100 were refused", refused)
	}
	if n := s.Viewers(); n > 1 {
		t.Errorf("%d viewers, where all are one process", n)
	}
}

func TestViewersAboveTheLimitAreToldSo(t *testing.T) {
	c := here(t)
	c.MaxConns = 10
	s, _ := serve(t, c, &world{})
	if refused := crowd(t, c.Path, 20); refused != 10 {
		t.Errorf("%d of 20 were refused with a limit of 10", refused)
	}
	leave(s)
	if refused := crowd(t, c.Path, 10); refused > 0 {
		t.Errorf("when all had left, %d of 10 were refused", refused)
	}
	leave(s)
	var open []net.Conn
	for range 50 {
		open = append(open, raw(t, c.Path))
	}
	gone := 0
	for _, conn := range open[20:] {
		if ended(conn, time.Second) {
			gone++
		}
	}
	if gone != 30 {
		t.Errorf("of 30 connections far above the limit %d were closed", gone)
	}
}

// leave waits until the server knows that nobody is connected.
func leave(s *Server) {
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		all := s.open.Load()
		all.mu.Lock()
		n := len(all.open)
		all.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

// crowd has n clients connected at the same time, each on a connection, and returns how many were refused for their number.
func crowd(t *testing.T, path string, n int) (refused int) {
	t.Helper()
	var mu sync.Mutex
	var connected, all sync.WaitGroup
	connected.Add(n)
	for range n {
		all.Go(func() {
			client, err := Dial(context.Background(), path)
			connected.Done()
			connected.Wait()
			if err == nil {
				defer client.Close()
				_, err = client.Snapshot(context.Background(), view.Query{Page: view.PageServices})
			}
			if err == nil {
				return
			}
			var said *Error
			if !errors.As(err, &said) || said.Code != CodeBusy || !strings.Contains(said.Text, "which is the limit") {
				t.Errorf("error %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			refused++
		})
	}
	all.Wait()
	return refused
}

func TestAnAnswerThatTakesTooLongIsGivenUp(t *testing.T) {
	c := here(t)
	c.Answer = 100 * time.Millisecond
	serve(t, c, &world{snapshot: func(ctx context.Context, _ view.Query) (*view.Snapshot, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	_, err := dial(t, c.Path).Snapshot(t.Context(), view.Query{Page: view.PageMap})
	var said *Error
	if !errors.As(err, &said) || said.Code != CodeTimeout {
		t.Errorf("error %v", err)
	}
}

func TestALeavingViewerEndsTheMakingOfItsAnswer(t *testing.T) {
	c := here(t)
	left := make(chan error, 1)
	serve(t, c, &world{snapshot: func(ctx context.Context, _ view.Query) (*view.Snapshot, error) {
		<-ctx.Done()
		left <- ctx.Err()
		return nil, ctx.Err()
	}})
	client := dial(t, c.Path)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Snapshot(ctx, view.Query{Page: view.PageMap}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	select {
	case err := <-left:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the world was told %v", err)
		}
	case <-time.After(2 * time.Second):
		t.Error("the answer is still being made")
	}
}

func TestAPanicOfTheWorldEndsOneAnswer(t *testing.T) {
	c := here(t)
	serve(t, c, &world{snapshot: func(context.Context, view.Query) (*view.Snapshot, error) { panic("a mistake") }})
	client := dial(t, c.Path)
	if _, err := client.Snapshot(t.Context(), view.Query{Page: view.PageMap}); err == nil {
		t.Error("no error")
	}
	dial(t, c.Path)
}

// agent answers each connection with a text, as an agent that dies or is none does.
func agent(t *testing.T, path string, answers ...string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for i := 0; ; i++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			answer := answers[min(i, len(answers)-1)]
			go func() {
				if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = io.WriteString(conn, answer)
				}
				if answer != "" {
					conn.Close()
				}
			}()
		}
	}()
}

func httpAnswer(status, body string) string {
	return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body
}

func TestViewersAreToldWhatHappenedToTheAgent(t *testing.T) {
	hello := httpAnswer("200 OK", `{"version":"1.0","api":1,"pid":7}`)
	half := "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"page\":"
	for _, x := range []struct {
		name    string
		answers []string
		says    string
		is      error
	}{
		{"it is killed in the middle of an answer", []string{hello, half}, "ended while it answered: see its log", ErrNoAgent},
		{"it is killed before an answer", []string{hello, " "}, "ask the agent at", nil},
		{"it hangs", []string{hello, ""}, "does not answer: see whether it hangs", context.DeadlineExceeded},
		{"it is another server", []string{httpAnswer("200 OK", "<html>")}, "what answers there is not sonde run", errNotSonde},
		{"it is another server that says no", []string{httpAnswer("404 Not Found", "no")}, "what answers there is not sonde run: status 404", errNotSonde},
		{"it is of another time", []string{httpAnswer("200 OK", `{"version":"9.1","api":2}`)}, "(sonde 9.1) speaks version 2 of the protocol", nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := here(t)
			agent(t, c.Path, x.answers...)
			client, err := Dial(t.Context(), c.Path)
			from := time.Now()
			if err == nil {
				client.timeout = time.Second
				_, err = client.Snapshot(t.Context(), view.Query{Page: view.PageMap})
			}
			if err == nil || !strings.Contains(err.Error(), x.says) || x.is != nil && !errors.Is(err, x.is) {
				t.Errorf("error %v, want %q", err, x.says)
			}
			if took := time.Since(from); took > 3*time.Second {
				t.Errorf("it took %v to know", took)
			}
		})
	}
	if _, err := Dial(t.Context(), here(t).Path); !errors.Is(err, ErrNoAgent) || !strings.Contains(err.Error(), "start sonde run (as root)") {
		t.Errorf("where there is no socket: %v", err)
	}
	if _, err := Dial(t.Context(), strings.Repeat("x", 200)); err == nil || !strings.Contains(err.Error(), "at most 107") {
		t.Errorf("where there cannot be one: %v", err)
	}
}

func TestAViewerOfAnAgentThatIsKilledKnowsAtOnce(t *testing.T) {
	c := here(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = []string{serveVariable + "=" + c.Path}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	says := bufio.NewScanner(out)
	if !says.Scan() || says.Text() != "ready" {
		t.Fatalf("the agent says %q", says.Text())
	}
	client := dial(t, c.Path)
	killed := make(chan time.Time, 1)
	go func() {
		says.Scan() // "asked"
		_ = cmd.Process.Kill()
		killed <- time.Now()
		_ = cmd.Wait() // it was killed
	}()
	_, err = client.Snapshot(t.Context(), view.Query{Page: view.PageMap})
	took := time.Since(<-killed)
	if !errors.Is(err, ErrNoAgent) || took > time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	serve(t, c, &world{}) // what it left behind is replaced
	if _, err := client.Snapshot(t.Context(), view.Query{Page: view.PageMap}); err != nil {
		t.Errorf("when another one is there: %v", err)
	}
}

func TestAViewerGoesOnWhenTheAgentIsStartedAnew(t *testing.T) {
	c := here(t)
	_, stop := serve(t, c, &world{})
	client := dial(t, c.Path)
	for range 3 {
		if _, err := client.Snapshot(t.Context(), view.Query{Page: view.PageMap}); err != nil {
			t.Fatal(err)
		}
		stop()
		if _, err := client.Snapshot(t.Context(), view.Query{Page: view.PageMap}); !errors.Is(err, ErrNoAgent) {
			t.Errorf("while it is away: %v", err)
		}
		_, stop = serve(t, c, &world{})
	}
	if _, err := client.Snapshot(t.Context(), view.Query{Page: view.PageMap}); err != nil {
		t.Error(err)
	}
}

func TestAConnectionThatEndedUnseenIsMadeAnew(t *testing.T) {
	c := here(t)
	ln, err := net.Listen("unix", c.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for _, answers := range [][]string{{`{"version":"1.0","api":1}`}, {`{"page":"map"}`}} {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			for i := 0; ; i++ {
				r, err := http.ReadRequest(in)
				if err != nil || i == len(answers) { // the second question finds nobody
					break
				}
				_, _ = io.Copy(io.Discard, r.Body)
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answers[i]), answers[i])
			}
			conn.Close()
		}
	}()
	if s, err := dial(t, c.Path).Snapshot(t.Context(), view.Query{Page: view.PageMap}); err != nil || s.Page != view.PageMap {
		t.Errorf("%v, %v", s, err)
	}
}

func TestTheEndOfTheServerDoesNotWaitForViewers(t *testing.T) {
	c := here(t)
	c.Answer = time.Minute
	_, stop := serve(t, c, &world{snapshot: func(ctx context.Context, _ view.Query) (*view.Snapshot, error) { return big, nil }})
	conn := raw(t, c.Path)
	fmt.Fprint(conn, "GET /v1/snapshot?page=map HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	from := time.Now()
	stop()
	if took := time.Since(from); took > 3*closing {
		t.Errorf("it took %v", took)
	}
}
