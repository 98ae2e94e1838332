// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// wantedModules is what the tests need and some kernel of the catalogue has as a module.
var wantedModules = []string{
	"veth", "bridge", "vxlan", "sch_ingress", "cls_bpf", "inet_diag", "tcp_diag", "udp_diag",
	"nf_tables", "nft_chain_nat", "nft_nat", "nf_conntrack",
}

// addModules puts the wanted modules and what they depend on into the archive, with a list in the order of loading. What the
// kernel has built in is left out; what it does not have at all is left for the test that misses it.
func (im *Image) addModules(a *archive, root string) error {
	dirs, err := filepath.Glob(filepath.Join(root, "*/modules", im.Release))
	if usr, uerr := filepath.Glob(filepath.Join(root, "usr/*/modules", im.Release)); err == nil && uerr == nil {
		dirs = append(dirs, usr...) // since 7.0
	}
	if err != nil || len(dirs) != 1 {
		return fmt.Errorf("%d directories of modules below %s (%w)", len(dirs), root, err)
	}
	dir := dirs[0]
	if _, err := output("depmod", "-b", filepath.Join(dir, "../../.."), im.Release); err != nil {
		return err
	}
	deps, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, m := range loadOrder(string(deps), wantedModules) {
		name := "/lib/modules/" + strings.TrimSuffix(path.Base(m), ".xz")
		if err := addModule(a, name, filepath.Join(dir, m)); err != nil {
			return err
		}
		list.WriteString(name + "\n")
	}
	a.text("modules", list.String())
	return nil
}

func addModule(a *archive, name, from string) error {
	if !strings.HasSuffix(from, ".xz") {
		a.file(name, from)
		return nil
	}
	plain, err := exec.Command("xz", "-dc", from).Output()
	if err != nil {
		return fmt.Errorf("unpack %s: %w", from, err)
	}
	a.text(name, string(plain))
	return nil
}

// loadOrder reads modules.dep(5): "path: what it needs", where what is needed first stands last.
func loadOrder(deps string, wanted []string) []string {
	needs := map[string][]string{} // module to its path and what it needs
	for line := range strings.Lines(deps) {
		file, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		name, _, _ := strings.Cut(path.Base(file), ".")
		needs[strings.ReplaceAll(name, "-", "_")] = append([]string{file}, strings.Fields(rest)...)
	}
	var order []string
	for _, w := range wanted {
		for _, file := range slices.Backward(needs[w]) {
			if !slices.Contains(order, file) {
				order = append(order, file)
			}
		}
	}
	return order
}
