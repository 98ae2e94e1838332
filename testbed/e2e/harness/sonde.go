// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits of patience. They are long because the machine may be busy; nothing waits for them in the normal case.
const (
	readyLimit = 30 * time.Second
	stopLimit  = 15 * time.Second
	quietLimit = 4 * time.Second // no new event for so long means that none will come
)

// Build builds cmd/sonde into dir, unless the environment variable SONDE names a binary, and returns its path.
func Build(dir string) (string, error) {
	if bin := os.Getenv("SONDE"); bin != "" {
		return bin, nil
	}
	bin := dir + "/sonde"
	out, err := exec.Command("go", "build", "-o", bin, "sonde/cmd/sonde").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build sonde: %w\n%s", err, out)
	}
	return bin, nil
}

// Options are how sonde is started.
type Options struct {
	Bin  string
	Args []string // after the sub-command
	Env  []string // "NAME=value", added to this process's own
	Slow int      // how many times longer everything may take, as in an emulated machine; 0 is 1
}

// Sonde is a running sonde process. Safe for concurrent use.
type Sonde struct {
	cmd  *exec.Cmd
	slow time.Duration // factor of the limits
	done chan struct{} // closed once the process has ended and all its output is in chunks
	err  error         // of Wait, valid after done

	mu     sync.Mutex
	chunks [][]byte // output that was not decoded yet
	rest   []byte   // of a line that is not whole yet
	events []Event
	bad    []error
	lines  int
	stderr bytes.Buffer
}

// Observe starts `sonde observe -o json --follow` and waits until it says that it is ready.
func Observe(o Options) (*Sonde, error) {
	s, err := start(o, append([]string{"observe", "-o", "json", "--follow"}, o.Args...))
	if err != nil {
		return nil, err
	}
	return s, s.awaitStderr("sonde: ready")
}

func start(o Options, args []string) (*Sonde, error) {
	s := &Sonde{cmd: exec.Command(o.Bin, args...), done: make(chan struct{}), slow: time.Duration(max(1, o.Slow))}
	s.cmd.Env = append(os.Environ(), o.Env...)
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start sonde: %w", err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { s.readStdout(stdout) })
	readers.Go(func() { s.readStderr(stderr) })
	go func() {
		readers.Wait()
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	return s, nil
}

// readStdout only keeps the bytes: decoding would compete with the traffic for the processor, so it waits until it is asked for.
func (s *Sonde) readStdout(r io.Reader) {
	for {
		buf := make([]byte, 1<<18)
		n, err := r.Read(buf)
		s.mu.Lock()
		s.chunks = append(s.chunks, buf[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *Sonde) readStderr(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		s.mu.Lock()
		s.stderr.WriteString(line)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Stderr returns what the process wrote to its standard error so far.
func (s *Sonde) Stderr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.String()
}

func (s *Sonde) awaitStderr(text string) error {
	for end := time.Now().Add(s.slow * readyLimit); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if strings.Contains(s.Stderr(), text) {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("sonde ended before it was ready: %w\n%s", s.exit(), s.Stderr())
		default:
		}
	}
	s.Kill()
	return fmt.Errorf("sonde was not ready after %v\n%s", s.slow*readyLimit, s.Stderr())
}

func (s *Sonde) exit() error {
	if s.err == nil {
		return errors.New("exit code 0")
	}
	return s.err
}

// PID of the process.
func (s *Sonde) PID() int { return s.cmd.Process.Pid }

// Alive reports whether the process runs.
func (s *Sonde) Alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// Kill ends the process at once, as a crash would.
func (s *Sonde) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Events returns all events of the process so far.
func (s *Sonde) Events() []Event {
	s.mu.Lock()
	chunks := s.chunks
	s.chunks = nil
	s.mu.Unlock()
	for _, c := range chunks {
		s.consume(c)
	}
	return s.events
}

func (s *Sonde) consume(chunk []byte) {
	for {
		line, rest, whole := bytes.Cut(chunk, []byte{'\n'})
		if !whole {
			s.rest = append(s.rest, chunk...)
			return
		}
		chunk = rest
		if len(s.rest) > 0 {
			line = append(s.rest, line...)
			s.rest = nil
		}
		n := s.lines
		if s.slow > 1 { // validating is what takes the time there, and other tests do it
			n += fullCheck
		}
		e, err := decode(line, n)
		s.lines++
		if err != nil {
			s.bad = append(s.bad, err)
			continue
		}
		s.events = append(s.events, e)
	}
}

// Await returns when n events match, or when none has come for a while; the caller compares. It does not return early on
// the n-th: a moment more shows what is reported twice.
func (s *Sonde) Await(n int, match func(*Event) bool) {
	seen, matched, last := 0, 0, time.Now()
	for time.Since(last) < s.slow*quietLimit && matched < n && s.Alive() {
		events := s.Events()
		for ; seen < len(events); seen++ {
			if match(&events[seen]) {
				matched++
				last = time.Now()
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(150 * time.Millisecond)
}

// Stop asks the process to end, as Ctrl-C does, and returns all its events. An exit code other than 0, a line that is not
// whole, not JSON or not in the schema, is an error.
func (s *Sonde) Stop() ([]Event, error) {
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-s.done:
	case <-time.After(s.slow * stopLimit):
		s.Kill()
		return s.Events(), fmt.Errorf("sonde did not end within %v of SIGINT\n%s", s.slow*stopLimit, s.Stderr())
	}
	events := s.Events()
	var err error
	if s.err != nil {
		err = fmt.Errorf("sonde: %w\n%s", s.err, s.Stderr())
	}
	if len(s.rest) > 0 {
		err = errors.Join(err, fmt.Errorf("the last line is cut: %q", s.rest))
	}
	return events, errors.Join(err, errors.Join(s.bad[:min(5, len(s.bad))]...))
}

// ResidentBytes is the resident memory of a process.
func ResidentBytes(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(b), "VmRSS:")
	if !found {
		return 0, fmt.Errorf("process %d has no VmRSS", pid)
	}
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kb << 10, err
}
