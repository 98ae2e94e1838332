// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const archiveKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

// apt asks one suite of the mirror that the machine is set up with, with a state of its own.
type apt struct {
	dir     string
	options []string
}

func newAPT(dir, suite string) (*apt, error) {
	mirror, err := mirrorOf(suite)
	if err != nil {
		return nil, err
	}
	a := &apt{dir: dir}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	list, status := filepath.Join(dir, "sources.list"), filepath.Join(dir, "status")
	line := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", archiveKeys, mirror, suite)
	for name, text := range map[string]string{list: line, status: ""} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	for _, o := range []string{
		"Dir::Etc::sourcelist=" + list, "Dir::Etc::sourceparts=-", "Dir::State=" + filepath.Join(dir, "state"),
		"Dir::State::status=" + status, "Dir::Cache=" + filepath.Join(dir, "cache"), "APT::Sandbox::User=root",
		"Acquire::Languages=none",
	} {
		a.options = append(a.options, "-o", o)
	}
	return a, nil
}

// mirrorOf finds where this machine fetches a suite, or one like it, from.
func mirrorOf(suite string) (string, error) {
	out, err := output("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(LABEL)", "Created-By: Packages")
	if err != nil {
		return "", err
	}
	security := strings.HasSuffix(suite, "-security")
	for line := range strings.Lines(out) {
		uri, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		release, _, _ := strings.Cut(rest, " ")
		if strings.HasSuffix(release, "-security") == security && strings.Contains(rest, "Debian") {
			return uri, nil
		}
	}
	return "", fmt.Errorf("apt of this machine has no source of Debian like %s: kernels are taken from its mirror", suite)
}

// fetch downloads the newest cloud kernel of a series, with the packages that it is split into since 7.0, and unpacks them
// into root. It returns the release, as uname says it.
func (a *apt) fetch(series, root string) (string, error) {
	if _, err := a.run("apt-get", "update", "-qq"); err != nil {
		return "", err
	}
	pattern := "^linux-image-" + regexp.QuoteMeta(series) + "[0-9].*-cloud-" + debianArch() + "$"
	found, err := a.run("apt-cache", "search", "--names-only", pattern)
	if err != nil {
		return "", err
	}
	name, err := newest(found)
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", pattern, err)
	}
	release := strings.TrimPrefix(name, "linux-image-")
	packages := []string{name}
	for _, part := range []string{"linux-binary-" + release, "linux-modules-" + release} {
		if out, err := a.run("apt-cache", "show", part); err == nil && out != "" {
			packages = append(packages, part)
		}
	}
	return release, a.unpack(packages, root)
}

// newest chooses among lines of apt-cache search, in the order of versions.
func newest(found string) (string, error) {
	var names bytes.Buffer
	for line := range strings.Lines(found) {
		name, _, _ := strings.Cut(line, " ")
		fmt.Fprintln(&names, name)
	}
	cmd := exec.Command("sort", "-V")
	cmd.Stdin = &names
	out, err := cmd.Output()
	sorted := strings.Fields(string(out))
	if err != nil || len(sorted) == 0 {
		return "", fmt.Errorf("no such package (%w)", err)
	}
	return sorted[len(sorted)-1], nil
}

func (a *apt) unpack(packages []string, root string) error {
	debs := filepath.Join(a.dir, "debs")
	if err := os.RemoveAll(debs); err != nil {
		return err
	}
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("apt-get", append(append(a.options, "download", "-qq"), packages...)...)
	cmd.Dir = debs
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("download %v: %w\n%s", packages, err, out)
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if _, err := output("dpkg-deb", "-x", file, root); err != nil {
			return err
		}
	}
	return os.RemoveAll(debs) // what was unpacked is kept
}

func (a *apt) run(command string, args ...string) (string, error) {
	return output(command, append(a.options[:len(a.options):len(a.options)], args...)...)
}

// output runs a command and puts what it complained of into the error.
func output(command string, args ...string) (string, error) {
	cmd := exec.Command(command, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", command, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
