// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"fmt"
	"strconv"

	"sonde/testbed/apps"
)

// Reuser is a program in which a thread or goroutine works for several requests, one after the other or out of turn. Who guesses
// by who started a thread, or by which request is being served, blames the wrong one.
type Reuser string

// The programs. All ask the upstream for /any/N on behalf of /jobs/N.
const (
	GoPool     Reuser = "Go, goroutines that live on"
	PythonPool Reuser = "Python, ThreadPoolExecutor"
	JavaPool   Reuser = "Java, cached thread pool"
	NodeLater  Reuser = "Node, work after the answer"
)

// Reusers returns all of them.
func Reusers() []Reuser { return []Reuser{GoPool, PythonPool, JavaPool, NodeLater} }

// StartReuser builds, once, and starts such a program on a free port of 127.0.0.1. The caller must Stop it.
func StartReuser(k *apps.Kit, r Reuser, upstream string) (*Service, error) {
	if err := build(k); err != nil {
		return nil, err
	}
	number, err := apps.FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	host, port := "127.0.0.1", strconv.Itoa(number)
	switch r {
	case GoPool:
		return start(string(r), []string{k.Path("shop/bin/pool"), "-listen", host + ":" + port, "-upstream", upstream})
	case PythonPool:
		return start(string(r), []string{"/usr/bin/python3", k.Path("shop/scripts/pool.py"), host, port, upstream})
	case JavaPool:
		return start(string(r), []string{"java", "-Dsun.net.httpserver.nodelay=true", "-cp", k.Path("shop/bin"), "Pool", host, port, upstream})
	case NodeLater:
		return start(string(r), []string{"node", k.Path("shop/scripts/later.js"), host, port, upstream})
	}
	return nil, fmt.Errorf("no program %q", r)
}

// Stop ends the program.
func (s *Service) Stop() { s.stop() }
