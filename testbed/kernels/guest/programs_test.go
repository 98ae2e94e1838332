// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"sonde/probes"
)

// TestPrograms loads every program of every object, those too that no plan for this kernel names, and hands out what the
// verifier said of each.
func TestPrograms(t *testing.T) {
	must(t, rlimit.RemoveMemlock())
	c := probes.Default()
	c.Causes = true
	specs, err := probes.Settled(c)
	must(t, err)
	var b strings.Builder
	b.WriteString("# object program: instructions that the verifier looked at, deepest stack in bytes, instructions of the program\n")
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		coll, err := ebpf.NewCollectionWithOptions(specs[name], ebpf.CollectionOptions{
			Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats},
		})
		if err != nil {
			t.Errorf("object %s: %v", name, err)
			continue
		}
		describePrograms(t, &b, name, coll)
		describeMaps(t, &b, name, coll)
		coll.Close()
	}
	artifact("complexity.txt", b.String())
}

var (
	processed = regexp.MustCompile(`processed (\d+) insns`)
	stack     = regexp.MustCompile(`stack depth ([0-9+]+)`)
)

func describePrograms(t *testing.T, b *strings.Builder, object string, coll *ebpf.Collection) {
	for _, name := range slices.Sorted(maps.Keys(coll.Programs)) {
		p := coll.Programs[name]
		looked, deep := processed.FindStringSubmatch(p.VerifierLog), stack.FindStringSubmatch(p.VerifierLog)
		info, err := p.Info()
		must(t, err)
		size, err := info.TranslatedSize()
		must(t, err)
		if looked == nil || deep == nil {
			t.Errorf("%s: the verifier says %q", name, p.VerifierLog)
			continue
		}
		deepest := 0
		for d := range strings.SplitSeq(deep[1], "+") { // of each function; a call chain has at most 512 bytes together
			n, _ := strconv.Atoi(d)
			deepest = max(deepest, n)
		}
		fmt.Fprintf(b, "%-8s %-18s verified %7s stack %4d size %6d\n", object, name, looked[1], deepest, size/8)
	}
}

// describeMaps: the rings, one for each processor, are not in the objects, and their size is a setting.
func describeMaps(t *testing.T, b *strings.Builder, object string, coll *ebpf.Collection) {
	for _, name := range slices.Sorted(maps.Keys(coll.Maps)) {
		info, err := coll.Maps[name].Info()
		must(t, err)
		bytes, _ := info.Memlock()
		fmt.Fprintf(b, "%-8s %-18s map %d entries of %d+%d, %d KiB\n", object, name, info.MaxEntries, info.KeySize, info.ValueSize, bytes>>10)
	}
}
