// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"slices"
	"testing"
)

func TestModulesAreLoadedAfterWhatTheyNeed(t *testing.T) {
	deps := "kernel/a/cls_bpf.ko.xz:\nkernel/b/bridge.ko: kernel/b/stp.ko kernel/b/llc.ko\nkernel/b/llc.ko:\nkernel/b/stp.ko: kernel/b/llc.ko\n" +
		"kernel/c/nf-tables.ko: kernel/c/nfnetlink.ko\n"
	got := loadOrder(deps, []string{"bridge", "built_in", "nf_tables", "cls_bpf"})
	want := []string{
		"kernel/b/llc.ko", "kernel/b/stp.ko", "kernel/b/bridge.ko", "kernel/c/nfnetlink.ko", "kernel/c/nf-tables.ko",
		"kernel/a/cls_bpf.ko.xz",
	}
	if !slices.Equal(got, want) {
		t.Errorf("loaded in the order %v, want %v", got, want)
	}
}
