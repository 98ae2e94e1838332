// SPDX-License-Identifier: Apache-2.0

// Package collector receives spans over OTLP in another process and counts them, so that what is measured is what sending costs.
//
// It decodes nothing, keeps nothing and answers everything with success. The other process is the calling program itself,
// started again with an argument that makes it call Serve. Who calls it: the benches.
package collector

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Collector is the other process.
type Collector struct {
	URL       string            // for spans
	Received  uint64            // spans; known after Stop
	ByService map[string]uint64 // the same by service.name
	cmd       *exec.Cmd
	stdin     io.Closer
	stdout    *bufio.Reader
}

// Start starts this program again with args, wrapped in a command such as taskset where one is given, and waits until it
// receives. It has to call Serve with its standard input and output.
func Start(wrap []string, args ...string) (*Collector, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	line := append(append(append([]string{}, wrap...), self), args...)
	c := &Collector{cmd: exec.Command(line[0], line[1:]...)}
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the collector: %w", err)
	}
	c.stdin, c.stdout = in, bufio.NewReader(out)
	url, err := c.stdout.ReadString('\n')
	c.URL = strings.TrimSpace(url)
	return c, err
}

// Stop ends the process and reads how many spans it counted.
func (c *Collector) Stop() error {
	err := c.stdin.Close()
	err = errors.Join(err, json.NewDecoder(c.stdout).Decode(&c.ByService))
	for _, n := range c.ByService {
		c.Received += n
	}
	return errors.Join(err, c.cmd.Wait())
}
