// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"sonde/probes/kernel"
)

// needs is what kernels are known to have. A feature that is said to be missing from one that has it is a mistake of the search,
// which would cost users the better hooks without anyone noticing; one that is found where the table has none is a mistake too.
func needs(name string) map[string]bool {
	has := map[string]bool{"5.10": false, "6.1": false, "6.12": true, "newest": true}[name]
	return map[string]bool{
		"rights": true, "other network namespaces": true, "other processes": true, "kernel types": true, "ring buffer": true,
		"kernel memory": true, "socket storage": true, "cgroup2": true, "cgroup_skb": true, "kprobe": true, "fentry": true,
		"tracefs": true, "bpffs": true, "functions": true,
		"tcx":                      has, // 6.6
		"clsact":                   true,
		"inet_sock_set_state":      true,
		"tcp_rcv_space_adjust":     true,
		"sock_send_length":         has, // 6.3
		"task_newtask":             true,
		"kfree_skb":                true,
		"the reason of kfree_skb":  name != "5.10", // 5.17
		"arguments of tracepoints": true,
	}
}

func TestFeatures(t *testing.T) {
	f := detected()
	found := map[string]error{
		"rights": f.Rights, "other network namespaces": f.OtherNetNS, "other processes": f.OtherProcesses, "kernel types": f.BTF,
		"ring buffer": f.RingBuffer, "kernel memory": f.KernelMemory, "socket storage": f.SKStorage, "cgroup2": f.Cgroup2,
		"cgroup_skb": f.CgroupSKB, "kprobe": f.Kprobe, "fentry": f.Fentry, "tcx": f.TCX, "tracefs": f.Tracefs, "bpffs": f.BPFFS,
		"clsact": f.Clsact, "functions": errors.Join(slices.Collect(maps.Values(f.NoFunction))...),
		"arguments of tracepoints": nil, "the reason of kfree_skb": nil,
	}
	if errors.Is(f.Clsact, kernel.ErrNotTried) {
		found["clsact"] = nil // TestFlavours tries it
	}
	for name, tp := range f.Tracepoints {
		found[name] = tp.Err
		if tp.Err == nil && tp.Args == 0 {
			found["arguments of tracepoints"] = errors.New("BTF does not tell how many " + name + " has")
		}
	}
	if n := f.Tracepoints["kfree_skb"].Args; n < 3 {
		found["the reason of kfree_skb"] = fmt.Errorf("it has %d arguments", n)
	}
	want := needs(os.Getenv("SONDE_KERNEL"))
	for name, err := range found {
		must, listed := want[name]
		switch {
		case !listed:
			t.Errorf("%s is in no table", name)
		case must && err != nil:
			t.Errorf("%s is said to be missing, and this kernel has it: %v", name, err)
		case !must && err == nil:
			t.Errorf("%s is found, and this kernel has none", name)
		}
	}
	if len(found) != len(want) {
		t.Errorf("%d features looked for, %d in the table", len(found), len(want))
	}
}

// TestDoctor hands out what the command says, without what differs between two kernels of one series and two builds of sonde.
func TestDoctor(t *testing.T) {
	out, err := exec.Command(sondeBin, "doctor", "-o", "json").Output()
	if err != nil {
		t.Fatalf("sonde doctor: %v\n%s", err, out)
	}
	var r map[string]any
	must(t, json.Unmarshal(out, &r))
	if r["kernel"] != detected().Release {
		t.Errorf("doctor says kernel %v", r["kernel"])
	}
	r["kernel"] = "RELEASE"
	proof, _ := r["read_only"].(map[string]any)
	if n, _ := proof["instructions"].(float64); n < 1000 {
		t.Errorf("doctor read %v instructions", proof["instructions"])
	}
	proof["instructions"] = "COUNT"
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	must(t, enc.Encode(r))
	artifact("doctor.json", b.String())
}
