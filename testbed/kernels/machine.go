// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Options are how a machine is run.
type Options struct {
	MemoryMB int
	CPUs     int
	Timeout  time.Duration
	Run      string // of which tests, as `go test -run`; "" for all
	Full     bool   // every combination of flavours
}

// DefaultOptions suit the tests: none needs a gigabyte, and two processors are what makes races between them show.
func DefaultOptions() Options { return Options{MemoryMB: 1024, CPUs: 2, Timeout: 15 * time.Minute} }

// testLimit is how long before the machine's own the time limit of the tests is, so that they can say where they hung.
const testLimit = 20 * time.Second

// Run boots the image with the payload and gives each event of the tests to tell while they run. The error is about the machine,
// not about tests: a panic of the kernel, a time limit, no status. What the kernel complained of is in the Console.
func (im *Image) Run(ctx context.Context, p *Payload, o Options, tell func(Event)) (Console, error) {
	dir, err := os.MkdirTemp("", "sonde-kernel-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	initrd, console := filepath.Join(dir, "initrd"), filepath.Join(dir, "console")
	if err := concatenate(initrd, im.Base, p.archive); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", im.arguments(o, initrd, console)...)
	err = follow(cmd, tell)
	text, _ := os.ReadFile(console) // no console is an empty one
	c := Console(strings.ReplaceAll(string(text), "\r", ""))
	if ctx.Err() != nil {
		return c, fmt.Errorf("the machine was stopped: %w", ctx.Err())
	}
	return c, status(err, c)
}

func (im *Image) arguments(o Options, initrd, console string) []string {
	// A WARNING of the kernel goes to the console; what is less does not.
	line := "console=ttyS0 quiet loglevel=5 panic=-1 -- SONDE_KERNEL=" + im.Kernel.Name +
		" -test.v=test2json -test.timeout=" + (o.Timeout - testLimit).String()
	if o.Full {
		line += " SONDE_FULL=1"
	}
	if o.Run != "" {
		line += " -test.run=" + o.Run
	}
	return []string{
		"-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", strconv.Itoa(o.CPUs), "-m", strconv.Itoa(o.MemoryMB),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", im.Boot, "-initrd", initrd, "-append", line,
		"-serial", "file:" + console, "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
	}
}

// follow runs the command and has test2json, which comes with Go, turn its output into events.
func follow(cmd *exec.Cmd, tell func(Event)) error {
	convert := exec.Command("go", "tool", "test2json", "-t")
	raw, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	events, err := convert.StdoutPipe()
	if err != nil {
		return err
	}
	convert.Stdin = raw
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := convert.Start(); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	derr := decode(events, tell)
	return errors.Join(convert.Wait(), derr, cmd.Wait())
}

func concatenate(name string, parts ...string) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	for _, part := range parts {
		in, err := os.Open(part)
		if err != nil {
			return errors.Join(err, out.Close())
		}
		_, err = io.Copy(out, in)
		if err = errors.Join(err, in.Close()); err != nil {
			return errors.Join(err, out.Close())
		}
	}
	return out.Close()
}

// status: isa-debug-exit makes QEMU end with the byte written, times two and one. Status 1 of the payload means that tests
// failed, which events tell better.
func status(err error, c Console) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err == nil {
			err = fmt.Errorf("the machine gave no status\n%s", c.tail())
		}
		return err
	}
	switch code := exit.ExitCode(); {
	case code == 1, code == 3: // 0 and 1 of the payload
		return nil
	case code > 0 && code&1 == 1:
		return fmt.Errorf("the payload ended with %d\n%s", code>>1, c.tail())
	default:
		return fmt.Errorf("the machine ended with %d and no status\n%s", code, c.tail())
	}
}

// Console is what the kernel and the init wrote.
type Console string

// complaint begins what a kernel says when something is wrong with itself, and complaintEnd ends it.
var (
	complaint    = regexp.MustCompile(`WARNING:|BUG:|Oops|Kernel panic|stack guard|rcu_.* stall|invalid opcode|general protection`)
	complaintEnd = regexp.MustCompile(`---\[ end`)
)

// mostTrace bounds the lines that are shown of one complaint.
const mostTrace = 40

// Complaints are what the kernel says about something wrong with it, each with the line before it and its trace.
func (c Console) Complaints() (all []string) {
	lines := strings.Split(string(c), "\n")
	for i := 0; i < len(lines); i++ {
		if !complaint.MatchString(lines[i]) {
			continue
		}
		end := i
		for end < min(i+mostTrace, len(lines)-1) && !complaintEnd.MatchString(lines[end]) {
			end++
		}
		all = append(all, strings.Join(lines[max(0, i-1):end+1], "\n"))
		i = end
	}
	return all
}

func (c Console) tail() string {
	lines := strings.Split(strings.TrimSpace(string(c)), "\n")
	return "console:\n  " + strings.Join(lines[max(0, len(lines)-40):], "\n  ")
}
