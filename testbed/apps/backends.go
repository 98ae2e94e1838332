// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The servers of other protocols than HTTP, as Debian packages them. They know no common routes.
const (
	PostgreSQL Kind = "postgresql"
	MariaDB    Kind = "mariadb"
	Redis      Kind = "redis"
	Memcached  Kind = "memcached"
	Mosquitto  Kind = "mosquitto"
	NATS       Kind = "nats"
	RabbitMQ   Kind = "rabbitmq"
	Dnsmasq    Kind = "dnsmasq"
)

// backendLimit is how long a database may take to lay out its files and to start.
const backendLimit = 90 * time.Second

// StartBackend starts a server of another protocol on a free port of 127.0.0.1, with nothing in it, and waits until it accepts
// connections. Its files are in Dir. PostgreSQL knows the user "postgres", MariaDB "app", both without a password and with
// the database "shop"; dnsmasq answers for shop.test alone.
func (k *Kit) StartBackend(kind Kind) (*Server, error) {
	port, err := FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	dir, err := k.Dir(string(kind) + "-")
	if err != nil {
		return nil, err
	}
	s := &Server{Kind: kind, Dir: dir, Port: port, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	cmd, err := k.backend(s, strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	s.cmd, s.PID = cmd, cmd.Process.Pid
	if err := s.awaitPort(); err != nil {
		text, _ := os.ReadFile(log.Name())
		s.StopBackend()
		return nil, fmt.Errorf("%s: %w\n%s", kind, err, text)
	}
	return s, s.populate()
}

// backend returns the command that becomes the server.
func (k *Kit) backend(s *Server, port string) (*exec.Cmd, error) {
	switch s.Kind {
	case PostgreSQL:
		return k.postgres(s, port)
	case MariaDB:
		return k.mariadb(s, port)
	case Redis:
		return k.command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", s.Dir), nil
	case Memcached:
		return k.command("memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", port, "-U", "0"), nil
	case Mosquitto:
		conf := filepath.Join(s.Dir, "conf")
		text := "listener " + port + " 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n"
		return k.command("mosquitto", "-c", conf), os.WriteFile(conf, []byte(text), 0o600)
	case NATS:
		return k.command("nats-server", "-a", "127.0.0.1", "-p", port), nil
	case RabbitMQ:
		return k.rabbit(s, port)
	case Dnsmasq:
		return k.command("dnsmasq", "--keep-in-foreground", "--port="+port, "--listen-address=127.0.0.1", "--bind-interfaces",
			"--no-resolv", "--no-hosts", "--user=root", "--pid-file="+filepath.Join(s.Dir, "pid"), "--address=/a.shop.test/10.1.2.3",
			"--address=/a.shop.test/fd00::7", "--local=/shop.test/", "--txt-record=txt.shop.test,one,two",
			"--srv-host=_http._tcp.shop.test,a.shop.test,80"), nil
	}
	return nil, fmt.Errorf("no backend of kind %q", s.Kind)
}

// as makes cmd run as a user, who gets dir.
func as(cmd *exec.Cmd, name, dir string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	cmd.Dir = dir
	return os.Chown(dir, uid, gid)
}

func (k *Kit) postgres(s *Server, port string) (*exec.Cmd, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return nil, errors.Join(err, errors.New("not installed: apt-get install postgresql"))
	}
	bin, data := found[len(found)-1], filepath.Join(s.Dir, "data")
	setup := exec.Command(bin+"/initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "--locale=C.UTF-8")
	if err := as(setup, "postgres", s.Dir); err != nil {
		return nil, err
	}
	if out, err := setup.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	cmd := k.command(bin+"/postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+s.Dir,
		"-c", "fsync=off", "-c", "autovacuum=off")
	return cmd, as(cmd, "postgres", s.Dir)
}

func (k *Kit) mariadb(s *Server, port string) (*exec.Cmd, error) {
	data := filepath.Join(s.Dir, "data")
	setup := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	if err := as(setup, "mysql", s.Dir); err != nil {
		return nil, err
	}
	if out, err := setup.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	sql := filepath.Join(s.Dir, "init.sql")
	text := "CREATE DATABASE shop;\nCREATE USER app@'127.0.0.1';\nGRANT ALL ON *.* TO app@'127.0.0.1';\n" // one on a line: it takes no more
	if err := os.WriteFile(sql, []byte(text), 0o644); err != nil {
		return nil, err
	}
	cmd := k.command("mariadbd", "--no-defaults", "--datadir="+data, "--port="+port, "--bind-address=127.0.0.1", "--socket="+
		filepath.Join(s.Dir, "s"), "--skip-name-resolve", "--init-file="+sql, "--innodb-flush-log-at-trx-commit=0", "--lc-messages-dir=/usr/share/mysql")
	return cmd, as(cmd, "mysql", s.Dir)
}

// rabbit gets an epmd of its own: the daemon that tells Erlang's nodes of each other would outlive the test.
func (k *Kit) rabbit(s *Server, port string) (*exec.Cmd, error) {
	dist, err := FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	epmd, err := FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	cmd := k.command("/usr/lib/rabbitmq/bin/rabbitmq-server")
	cmd.Env = append(os.Environ(), "HOME="+s.Dir, "RABBITMQ_NODENAME=sonde@localhost", "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT="+port, "RABBITMQ_DIST_PORT="+strconv.Itoa(dist), "ERL_EPMD_PORT="+strconv.Itoa(epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1", "RABBITMQ_MNESIA_BASE="+s.Dir, "RABBITMQ_LOG_BASE="+s.Dir, "RABBITMQ_PID_FILE="+filepath.Join(s.Dir, "pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(s.Dir, "plugins"), "RABBITMQ_CONFIG_FILE="+filepath.Join(s.Dir, "none"))
	names := exec.Command("epmd", "-address", "127.0.0.1", "-port", strconv.Itoa(epmd))
	if err := as(names, "rabbitmq", s.Dir); err != nil {
		return nil, err
	}
	if err := names.Start(); err != nil {
		return nil, err
	}
	s.after = func() {
		_ = names.Process.Kill()
		_ = names.Wait()
	}
	return cmd, as(cmd, "rabbitmq", s.Dir)
}

// awaitPort waits until the server accepts connections.
func (s *Server) awaitPort() error {
	for end := time.Now().Add(backendLimit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err == nil {
			_ = c.Close()
			return nil
		}
		if s.cmd.Process.Signal(syscall.Signal(0)) != nil {
			return errors.New("ended before it listened")
		}
	}
	return fmt.Errorf("did not listen within %v", backendLimit)
}

// populate makes the database that clients ask for.
func (s *Server) populate() error {
	if s.Kind != PostgreSQL {
		return nil
	}
	var out []byte
	var err error
	for end := time.Now().Add(backendLimit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) { // it listens before it serves
		out, err = exec.Command("psql", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "-c", "CREATE DATABASE shop").CombinedOutput()
		if err == nil || strings.Contains(string(out), "already exists") {
			return nil
		}
	}
	return fmt.Errorf("create database: %w\n%s", err, out)
}

// StopBackend ends the server and all that it started.
func (s *Server) StopBackend() {
	pgid := -s.cmd.Process.Pid
	_ = syscall.Kill(pgid, syscall.SIGTERM)
	if s.Kind == PostgreSQL {
		_ = s.cmd.Process.Signal(syscall.SIGINT) // "fast": does not wait for clients
	}
	done := make(chan struct{})
	go func() {
		_ = s.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(pgid, syscall.SIGKILL) // what it left behind
	<-done
	if s.after != nil {
		s.after()
	}
}
