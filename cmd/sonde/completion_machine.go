// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ofThisMachine has what filter flags may be given here and now. What cannot be read is left out: a shell is no place for
// errors.
func ofThisMachine(flag string) []string {
	switch flag {
	case "process", "service": // a service is called as its process, unless it is told otherwise
		return processNames()
	case "pid":
		return processes(func(pid, name string) string { return pid + "\t" + name })
	case "port":
		return listeningPorts()
	case "ip":
		return addresses()
	}
	return nil
}

// processes lists the processes with a program: threads of the kernel have none.
func processes(as func(pid, name string) string) []string {
	entries, _ := os.ReadDir("/proc")
	var out []string
	for _, e := range entries {
		if _, err := strconv.ParseUint(e.Name(), 10, 32); err != nil {
			continue
		}
		command, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || len(command) == 0 {
			continue
		}
		name := programName(e.Name(), command)
		if name != "" {
			out = append(out, as(e.Name(), name))
		}
	}
	return out
}

// programName is the name that observe shows: of the executable; for those of other users, what can be read.
func programName(pid string, command []byte) string {
	if exe, err := os.Readlink(filepath.Join("/proc", pid, "exe")); err == nil {
		return filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	}
	first, _, _ := bytes.Cut(command, []byte{0})
	if comm, err := os.ReadFile(filepath.Join("/proc", pid, "comm")); err == nil && !bytes.HasPrefix(first, []byte("/")) {
		return strings.TrimSpace(string(comm))
	}
	return filepath.Base(string(first))
}

func processNames() []string {
	names := processes(func(_, name string) string { return name })
	slices.Sort(names)
	return slices.Compact(names)
}

// listeningPorts are the ports of TCP that somebody listens at, in this network namespace.
func listeningPorts() []string {
	var ports []int
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(file)
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			const listen = "0A"
			f := strings.Fields(lines.Text())
			if len(f) < 4 || f[3] != listen {
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
				ports = append(ports, int(port))
			}
		}
	}
	slices.Sort(ports)
	var out []string
	for _, p := range slices.Compact(ports) {
		out = append(out, strconv.Itoa(p))
	}
	return out
}

func addresses() []string {
	list, _ := net.InterfaceAddrs()
	var out []string
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			out = append(out, n.IP.String())
		}
	}
	return out
}

func interfaceNames() []string {
	list, _ := net.Interfaces()
	var out []string
	for _, i := range list {
		out = append(out, i.Name)
	}
	return out
}

// cgroupPaths are the cgroups in the directory that is being typed, below the root of cgroup2.
func cgroupPaths(word string) []string {
	root := cgroupRoot()
	if root == "" {
		return nil
	}
	dir := path.Dir("/" + strings.TrimPrefix(word, "/") + "x")
	entries, _ := os.ReadDir(filepath.Join(root, dir))
	var out []string
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		p := path.Join(dir, e.Name()) + "/"
		if !strings.HasPrefix(word, "/") {
			p = p[1:]
		}
		out = append(out, p)
	}
	return out
}

// cgroupRoot is where cgroup2 is mounted, "" if it is not.
func cgroupRoot() string {
	text, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1]
		}
	}
	return ""
}
