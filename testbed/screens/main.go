// SPDX-License-Identifier: Apache-2.0

// Command screens makes the pictures of `sonde top` that README.md shows, from a real run: it starts the shop of the testbed,
// has orders placed, opens the viewer in a terminal, goes from page to page and draws what is on the screen as SVG.
//
// The host is called node-1 meanwhile, in a UTS namespace: what the viewer shows of this machine is nobody's business. It needs
// root, tmux and all that the shop needs. Who calls it: make screens.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/apps/shop"
	"sonde/testbed/e2e/harness"
	"sonde/testbed/terminal"
)

const (
	width, height = 118, 32
	patience      = 30 * time.Second
	warmUp        = 62 * time.Second // until rates and sparklines of a minute look like those of any minute
)

func main() {
	dir := flag.String("dir", "docs/images", "directory to write to")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "screens:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root: sonde loads programs into the kernel")
	}
	kit, err := apps.NewKit()
	if err != nil {
		return err
	}
	defer kit.Close()
	bin, err := harness.Build(kit.Path("."))
	if err != nil {
		return err
	}
	if err := redisByItsName(kit); err != nil {
		return err
	}
	s, err := shop.StartNamed(kit)
	if err != nil {
		return err
	}
	defer s.Stop()
	term, err := open(bin)
	if err != nil {
		return err
	}
	defer term.Close()
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() { stopped <- buy(s, stop) }()
	err = visit(term, dir)
	close(stop)
	return errors.Join(err, <-stopped)
}

// redisByItsName puts a redis-server before that of Debian, whose file is called redis-check-rdb.
func redisByItsName(kit *apps.Kit) error {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	bytes, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	dir := kit.Path("names")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "redis-server"), bytes, 0o755); err != nil {
		return err
	}
	return os.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// buy places orders in waves, so that the lines of the sparklines are not flat, until stop.
func buy(s *shop.Shop, stop <-chan struct{}) error {
	first := 1
	for wave := 0; ; wave++ {
		select {
		case <-stop:
			return nil
		default:
		}
		orders := 8 + 6*(wave%5)
		if _, err := s.Buy(first, orders, 4); err != nil {
			return err
		}
		first += orders
		time.Sleep(300 * time.Millisecond)
	}
}

// shot is a page to be drawn: the keys that lead to it from the one before, and a text that is on the screen then.
type shot struct {
	name, title string
	keys        []string
	shows       string
}

// open starts the viewer before there is anything to see: what begins later is known from its beginning.
func open(bin string) (*terminal.Terminal, error) {
	term, err := terminal.Start(terminal.Options{
		Width: width, Height: height, Term: "xterm-256color", Env: []string{"COLORTERM=truecolor"},
	}, "unshare", "--uts", "sh", "-c", `hostname node-1; exec "$0" top --local`, bin)
	if err != nil {
		return nil, err
	}
	if _, err := term.AwaitText(patience, "req/s"); err != nil {
		term.Close()
		return nil, err
	}
	return term, nil
}

// visit takes the pictures.
func visit(term *terminal.Terminal, dir string) error {
	if _, err := term.AwaitText(patience, "gateway"); err != nil {
		return err
	}
	time.Sleep(warmUp)
	for _, s := range shots {
		for _, key := range s.keys {
			if err := term.Press(key); err != nil {
				return err
			}
			time.Sleep(1500 * time.Millisecond) // a key that leads to another page is followed by a question to the world
		}
		if _, err := term.AwaitText(patience, s.shows); err != nil {
			return err
		}
		if err := s.take(term, dir); err != nil {
			return err
		}
	}
	return nil
}

func (s shot) take(term *terminal.Terminal, dir string) error {
	text, err := term.Styled()
	if err != nil {
		return err
	}
	lines, err := parseScreen(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, s.name+".svg")
	fmt.Println(file)
	return os.WriteFile(file, []byte(svg(s.title, width, lines)), 0o644)
}

// shots lead from page to page. The trace is that of the slowest order.
var shots = []shot{
	{"top-services", "sonde top: services", []string{"1"}, "gateway"},
	{"top-map", "sonde top: the map of services", []string{"4"}, "gateway"},
	{"top-requests", "sonde top: requests", []string{"2"}, "orders"},
	{"top-trace", "sonde top: the trace of one request", []string{"s", "Enter"}, "EVIDENCE"},
	{"top-request", "sonde top: one request", []string{"Enter"}, "Where the time went"},
}
