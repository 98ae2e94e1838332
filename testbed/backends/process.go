// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Limits of patience.
const (
	startLimit = 30 * time.Second
	stopLimit  = 10 * time.Second
)

// Process is a running backend. Safe for concurrent use.
type Process struct {
	PID int
	Dir string // its files; "log" is what it printed

	cmd  *exec.Cmd
	done chan struct{}
}

// start starts a program in dir and waits until each of the URLs is answered, with whatever is no error of the server.
func start(dir string, ready []string, argv ...string) (*Process, error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &Process{Dir: dir, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves none behind
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.PID = p.cmd.Process.Pid
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	for _, url := range ready {
		if err := p.await(url); err != nil {
			p.Stop()
			return nil, fmt.Errorf("%s: %s: %w\n%s", filepath.Base(argv[0]), url, err, p.Log())
		}
	}
	return p, nil
}

func (p *Process) await(url string) error {
	client := http.Client{Timeout: 2 * time.Second}
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.done:
			return errors.New("ended before it was ready")
		default:
		}
		resp, err := client.Get(url)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode < http.StatusInternalServerError {
			return nil
		}
	}
	return fmt.Errorf("not ready after %v", startLimit)
}

// Log returns the end of what the process printed.
func (p *Process) Log() string {
	b, _ := os.ReadFile(filepath.Join(p.Dir, "log"))
	return string(b[max(0, len(b)-4000):])
}

// Stop ends the process and waits for it; what it holds back is written then.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// freeAddr returns "127.0.0.1:PORT" on which nothing listens at the moment.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// freeAddrs fills each with an address of its own.
func freeAddrs(addrs ...*string) error {
	for _, a := range addrs {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		*a = addr
	}
	return nil
}

// getJSON reads an answer of an HTTP API into v.
func getJSON(base, path string, query url.Values, v any) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	full := base + path
	if len(query) > 0 {
		full += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, full, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %.300s", full, resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: %w: %.300s", full, err, body)
	}
	return nil
}
