// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"slices"
	"strings"
)

// Kernel is one line of the catalogue: where to look for a kernel, not which one it is today.
type Kernel struct {
	Name   string // on the command line, in the table and in names of files
	Suite  string // of Debian
	Series string // packages linux-image-SERIES*-cloud-ARCH; the newest one is taken
}

// Catalogue lists the kernels that sonde is proved on, oldest first. Cloud kernels are small and boot without an initrd of
// Debian; apart from drivers they are built as the others are.
func Catalogue() []Kernel {
	return []Kernel{
		{"5.10", "bullseye-security", "5.10."},
		{"6.1", "bookworm-security", "6.1."},
		{"6.12", "bookworm-security", "6.12."},
		{"newest", "sid", ""},
	}
}

// Select returns the kernels of a comma-separated list of names, in the order of the catalogue; all of them for "".
func Select(names string) ([]Kernel, error) {
	if names == "" {
		return Catalogue(), nil
	}
	wanted := strings.Split(names, ",")
	var chosen []Kernel
	var known []string
	for _, k := range Catalogue() {
		known = append(known, k.Name)
		if slices.Contains(wanted, k.Name) {
			chosen = append(chosen, k)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no kernel %q in the catalogue: want some of %s", name, strings.Join(known, ","))
		}
	}
	return chosen, nil
}
