// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	statisticsOff = iota
	statisticsOn
)

// measurement is one load of one variant.
type measurement struct {
	Variant     string
	Round       int
	Statistics  bool
	PerSecond   float64 // as wrk saw it
	Requests    uint64  // as nginx counted them
	ServerNS    uint64  // CPU of the nginx worker
	ClientNS    uint64  // CPU of wrk
	ConsumerNS  uint64  // CPU of this process
	BPFNS       uint64
	BPFRuns     uint64
	Records     uint64
	RecordBytes uint64
	Actors      uint64
	Seen        uint64 // requests at the server's socket
	Lost        [3]uint64
}

// nginx is a private server: one worker on CPU 0, everything in a temporary directory.
type nginx struct {
	cmd                    *exec.Cmd
	port, deferred, status uint16
	worker                 int
}

const nginxConfig = `
daemon off; user root; worker_processes 1; worker_cpu_affinity 01; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; keepalive_requests 1000000000; client_body_temp_path %[1]s/body;
  server { listen 127.0.0.1:%[2]d; location / { return 200 "%[5]s"; } location /big { root %[1]s/files; } }
  server { listen 127.0.0.1:%[3]d deferred; location / { return 200 "%[5]s"; } }
  server { listen 127.0.0.1:%[4]d; location / { stub_status; } }
}
`

func startNginx(dir string) (*nginx, error) {
	var n nginx
	next := uint16(firstPort)
	for _, port := range []*uint16{&n.port, &n.deferred, &n.status} {
		*port = freePort(next)
		next = *port + 1
	}
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(files, "big"), bytes.Repeat([]byte("0123456789abcdef"), 1<<16), 0o644); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, dir, n.port, n.deferred, n.status, strings.Repeat("x", 1024))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	n.cmd = exec.Command("nginx", "-c", conf)
	n.cmd.Stderr = os.Stderr
	if err := n.start(); err != nil {
		n.stop()
		return nil, err
	}
	return &n, nil
}

// firstPort lies below the ephemeral ports: the device variant takes the lower port for the server's.
const firstPort = 18080

// freePort is the first from start on that nobody listens on at this moment.
func freePort(start uint16) uint16 {
	for port := start; ; port++ {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
}

func (n *nginx) start() error {
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("start nginx: %w", err)
	}
	for range 100 {
		time.Sleep(20 * time.Millisecond)
		if _, err := n.handled(); err == nil {
			return n.findWorker()
		}
	}
	return errors.New("nginx does not answer")
}

func (n *nginx) findWorker() error {
	pid := n.cmd.Process.Pid
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return fmt.Errorf("find nginx worker: %w", err)
	}
	n.worker, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return err
}

func (n *nginx) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	_ = n.cmd.Wait()
}

var statusRequests = regexp.MustCompile(`(\d+) +(\d+) +(\d+) `)

// handled asks nginx how many requests it has served, this one included.
func (n *nginx) handled() (uint64, error) {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", n.status))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	m := statusRequests.FindSubmatch(body)
	if m == nil {
		return 0, fmt.Errorf("status page: %q", body)
	}
	return strconv.ParseUint(string(m[3]), 10, 64)
}

// workerCPU is the time on CPU from schedstat, in ns; stat counts ticks of 10 ms only.
func (n *nginx) workerCPU() (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", n.worker))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.Fields(string(b))[0], 10, 64)
}

func ownCPU() uint64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return uint64(u.Utime.Nano() + u.Stime.Nano())
}

// measure attaches one variant, loads nginx until it is saturated, and detaches.
func measure(v variant, objects objects, web *nginx, length time.Duration, statistics int) (measurement, error) {
	m := measurement{Variant: v.name, Statistics: statistics == statisticsOn}
	if m.Statistics {
		stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
		if err != nil {
			return m, fmt.Errorf("enable BPF statistics: %w", err)
		}
		defer stats.Close()
	}
	if v.source == "" {
		return m, m.load(web, length)
	}
	a, err := attach(v, objects)
	if err != nil {
		return m, err
	}
	defer a.Close()
	var c *consumer
	if v.source != "empty" {
		if c, err = startConsumer(a.coll, m.count(web.port)); err != nil {
			return m, err
		}
	}
	if err := errors.Join(m.load(web, length), c.stop()); err != nil {
		return m, err
	}
	spent, runs, err := a.bpfTime()
	if err != nil {
		return m, err
	}
	m.BPFNS, m.BPFRuns = uint64(spent), runs
	m.Lost, err = a.lost()
	return m, err
}

// count returns what the consumer does with a record: enough to know that every request was seen once.
func (m *measurement) count(port uint16) func(record) {
	get := []byte("GET ")
	return func(r record) {
		if r.kind == recordActor {
			m.Actors++
			return
		}
		m.Records++
		m.RecordBytes += uint64(headerBytes + len(r.payload))
		if r.direction == directionIn && r.localPort == port && bytes.HasPrefix(r.payload, get) {
			m.Seen++
		}
	}
}

var (
	wrkRate = regexp.MustCompile(`Requests/sec: +([0-9.]+)`)
	wrkBad  = regexp.MustCompile(`(?m)(Non-2xx|Socket errors).*`)
)

func (m *measurement) load(web *nginx, length time.Duration) error {
	handled, err := web.handled()
	if err != nil {
		return err
	}
	cpu, err := web.workerCPU()
	if err != nil {
		return err
	}
	own := ownCPU()
	wrk := exec.Command("taskset", "-c", "1", "wrk", "-t1", "-c16", fmt.Sprintf("-d%ds", int(length.Seconds())),
		fmt.Sprintf("http://127.0.0.1:%d/", web.port))
	out, err := wrk.CombinedOutput()
	if err != nil {
		return fmt.Errorf("wrk: %w\n%s", err, out)
	}
	rate := wrkRate.FindSubmatch(out)
	if rate == nil || wrkBad.Match(out) {
		return fmt.Errorf("wrk says:\n%s", out)
	}
	time.Sleep(2 * pollEvery)
	m.ConsumerNS = ownCPU() - own
	cpuAfter, err := web.workerCPU()
	if err != nil {
		return err
	}
	handledAfter, err := web.handled()
	if err != nil {
		return err
	}
	m.PerSecond, _ = strconv.ParseFloat(string(rate[1]), 64)
	m.Requests = handledAfter - handled - 1
	m.ServerNS = cpuAfter - cpu
	m.ClientNS = uint64(wrk.ProcessState.UserTime() + wrk.ProcessState.SystemTime())
	return nil
}
