// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sonde/testbed/apps"
)

//go:embed scripts
var scripts embed.FS

// startLimit is generous because the machine may be building something else.
const startLimit = 30 * time.Second

// Service is a running service of the shop.
type Service struct {
	Name string
	Addr string // "127.0.0.1:40000"
	Port int
	PID  int

	cmd *exec.Cmd
}

// Shop is a running shop. The caller must Stop it.
type Shop struct {
	URL      string              // of the gateway
	Services map[string]*Service // by name

	postgres, redis *apps.Server
	buyer           string
	named           bool
	started         []*Service // in this order
}

// Start builds the shop in the kit, once, and starts it on free ports of 127.0.0.1. Its services are what their programs are
// called: "java", "node".
func Start(k *apps.Kit) (*Shop, error) { return startShop(k, false) }

// StartNamed is Start for services that know their names from OTEL_SERVICE_NAME, which is set in this process meanwhile.
func StartNamed(k *apps.Kit) (*Shop, error) { return startShop(k, true) }

func startShop(k *apps.Kit, named bool) (*Shop, error) {
	if err := build(k); err != nil {
		return nil, err
	}
	s := &Shop{Services: map[string]*Service{}, buyer: k.Path("shop/bin/buyer"), named: named}
	if err := errors.Join(s.startData(k), s.startServices(k)); err != nil {
		s.Stop()
		return nil, err
	}
	s.URL = "http://" + s.Services["gateway"].Addr
	return s, nil
}

// build compiles the services' Go module and the Java class, and lays out the scripts.
func build(k *apps.Kit) error {
	if _, err := os.Stat(k.Path("shop/bin/buyer")); err == nil {
		return nil
	}
	if err := os.CopyFS(k.Path("shop"), scripts); err != nil {
		return fmt.Errorf("lay out the shop's scripts: %w", err)
	}
	folder, err := exec.Command("go", "list", "-f", "{{.Dir}}", "sonde/testbed/apps/shop").Output()
	if err != nil {
		return fmt.Errorf("find testbed/apps/shop: %w", err)
	}
	class := exec.Command("javac", "-d", k.Path("shop/bin"), k.Path("shop/scripts/Shipping.java"), k.Path("shop/scripts/Pool.java"))
	if out, err := class.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the Java programs: %w\n%s", err, out)
	}
	module := filepath.Join(strings.TrimSpace(string(folder)), "services")
	if out, err := exec.Command("go", "build", "-C", module, "-o", k.Path("shop/bin")+"/", "./...").CombinedOutput(); err != nil {
		return fmt.Errorf("build the shop's services: %w\n%s", err, out)
	}
	return nil
}

const tables = `
CREATE TABLE items (id int PRIMARY KEY, price int);
INSERT INTO items SELECT n, 10 * n + 1 FROM generate_series(0, 9) n WHERE n <> 5;
CREATE TABLE accounts (id int PRIMARY KEY, balance int);
INSERT INTO accounts SELECT n, 1000 FROM generate_series(0, 9) n;
CREATE TABLE payments (number int);
CREATE INDEX ON payments (number);
`

func (s *Shop) startData(k *apps.Kit) (err error) {
	if s.postgres, err = k.StartBackend(apps.PostgreSQL); err != nil {
		return err
	}
	if s.redis, err = k.StartBackend(apps.Redis); err != nil {
		return err
	}
	for _, server := range []*apps.Server{s.postgres, s.redis} {
		name := string(server.Kind)
		s.Services[name] = &Service{Name: name, Addr: server.Addr, Port: server.Port, PID: server.PID}
	}
	psql := exec.Command("psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", strconv.Itoa(s.postgres.Port), "-U", "postgres", "shop")
	psql.Stdin = strings.NewReader(tables)
	if out, err := psql.CombinedOutput(); err != nil {
		return fmt.Errorf("make the shop's tables: %w\n%s", err, out)
	}
	return nil
}

// startServices starts them so that each is told of those that it calls. Payment and shipping know their ports beforehand.
func (s *Shop) startServices(k *apps.Kit) error {
	if s.postgres == nil || s.redis == nil {
		return nil
	}
	database := "postgres://postgres@" + s.postgres.Addr + "/shop"
	bin, host := k.Path("shop/bin"), "127.0.0.1"
	url := func(name string) string { return "http://" + s.Services[name].Addr }
	for _, step := range []struct {
		name string
		argv func(port string) []string
	}{
		{"catalog", func(port string) []string {
			return []string{bin + "/catalog", "-listen", host + ":" + port, "-postgres", database + "?sslmode=disable&pool_max_conns=20"}
		}},
		{"payment", func(port string) []string {
			return []string{"/usr/bin/python3", k.Path("shop/scripts/payment.py"), host, port, database}
		}},
		{"shipping", func(port string) []string {
			// A server that closes what is idle meets requests on their way.
			return []string{
				"java", "-Xmx256m", "-Dsun.net.httpserver.nodelay=true", "-Dsun.net.httpserver.maxIdleConnections=5000",
				"-Dsun.net.httpserver.idleInterval=600", "-Dhttp.maxConnections=128", "-cp", bin, "Shipping", host, port, url("payment"),
			}
		}},
		{"cart", func(port string) []string {
			return []string{"node", k.Path("shop/scripts/cart.js"), host, port, strconv.Itoa(s.redis.Port), url("shipping")}
		}},
		{"gateway", func(port string) []string {
			return []string{
				bin + "/gateway", "-listen", host + ":" + port, "-catalog", s.Services["catalog"].Addr,
				"-cart", url("cart"), "-payment", url("payment"), "-shipping", url("shipping"),
			}
		}},
	} {
		port, err := apps.FreePort(host)
		if err != nil {
			return err
		}
		service, err := s.start(step.name, step.argv(strconv.Itoa(port)))
		if err != nil {
			return err
		}
		s.Services[step.name] = service
		s.started = append(s.started, service)
	}
	return nil
}

// start starts a service, which inherits its name where it is to have one.
func (s *Shop) start(name string, argv []string) (*Service, error) {
	if s.named {
		if err := os.Setenv("OTEL_SERVICE_NAME", name); err != nil {
			return nil, err
		}
		defer os.Unsetenv("OTEL_SERVICE_NAME")
	}
	return start(name, argv)
}

// start starts a program and waits until it prints "listening ADDRESS".
func start(name string, argv []string) (*Service, error) {
	s := &Service{Name: name, cmd: exec.Command(argv[0], argv[1:]...)}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.PID = s.cmd.Process.Pid
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(out).ReadString('\n')
		line <- strings.TrimSpace(text)
	}()
	select {
	case text := <-line:
		addr, listening := strings.CutPrefix(text, "listening ")
		_, port, _ := strings.Cut(addr, ":")
		s.Addr = addr
		if s.Port, err = strconv.Atoi(port); listening && err == nil {
			return s, nil
		}
		s.stop()
		return nil, fmt.Errorf("%s ended before it listened: %q", name, text)
	case <-time.After(startLimit):
		s.stop()
		return nil, fmt.Errorf("%s did not listen within %v", name, startLimit)
	}
}

func (s *Service) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(2*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	_ = s.cmd.Wait()
}

// Ports returns the ports that the services and the databases listen on.
func (s *Shop) Ports() []int {
	var ports []int
	for _, service := range s.Services {
		ports = append(ports, service.Port)
	}
	return ports
}

// Buy places the orders with numbers from first on, so many at a time, and returns how often the gateway answered with
// which status.
func (s *Shop) Buy(first, orders, concurrent int) (map[string]int, error) {
	cmd := exec.Command(s.buyer, "-url", s.URL, "-first", strconv.Itoa(first), "-orders", strconv.Itoa(orders), "-concurrent", strconv.Itoa(concurrent))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("buyer: %w\n%s", err, &stderr)
	}
	got := map[string]int{}
	err = json.Unmarshal(out, &got)
	return got, err
}

// Stop ends all that Start started.
func (s *Shop) Stop() {
	for i := len(s.started) - 1; i >= 0; i-- { // who calls ends before who is called
		s.started[i].stop()
	}
	for _, server := range []*apps.Server{s.postgres, s.redis} {
		if server != nil {
			server.StopBackend()
		}
	}
}
