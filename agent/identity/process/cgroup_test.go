// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"testing"
	"time"

	"sonde/agent/model"
)

const (
	id1 = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970"
	id2 = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"
)

// The rows name a directory of testdata/cgroup. An empty service is the process's own name, "fixture".
var cgroupForms = []struct {
	form, container, runtime, unit, service string
}{
	{form: "docker-v1", container: id1, runtime: "docker"},
	{form: "docker-v2", container: id1, runtime: "docker"},
	{form: "docker-systemd-v1", container: id1, runtime: "docker"},
	{form: "docker-systemd-v2", container: id1, runtime: "docker"},
	{form: "docker-hybrid", container: id1, runtime: "docker"},
	{form: "docker-hybrid-root-v2", container: id1, runtime: "docker"},
	{form: "docker-with-systemd-inside", container: id1, runtime: "docker", unit: "nginx.service", service: "nginx"},
	{form: "docker-rootless", container: id1, runtime: "docker", unit: "user@1000.service"},
	{form: "docker-cgroup-parent", container: id1},
	{form: "docker-in-docker-hybrid", container: id1, runtime: "docker"},
	{form: "kubernetes-containerd-systemd", container: id1, runtime: "containerd"},
	{form: "kubernetes-cgroupfs-v1", container: id1},
	{form: "kubernetes-cgroupfs-v2", container: id1},
	{form: "kubernetes-pod-only"},
	{form: "kubernetes-colon-form", container: id1, runtime: "containerd", unit: "containerd.service"},
	{form: "kubernetes-crio-systemd", container: id1, runtime: "cri-o"},
	{form: "kubernetes-crio-cgroupfs", container: id1, runtime: "cri-o"},
	{form: "kubernetes-crio-conmon"},
	{form: "kubernetes-seen-from-a-pod", container: id1, runtime: "containerd"},
	{form: "kind-v1", container: id1},
	{form: "kind-v2", container: id1, runtime: "containerd"},
	{form: "podman-systemd", container: id1, runtime: "podman"},
	{form: "podman-cgroupfs", container: id1, runtime: "podman"},
	{form: "podman-conmon"},
	{form: "podman-conmon-in-pod"},
	{form: "podman-pod", container: id1, runtime: "podman"},
	{form: "podman-quadlet", container: id1, runtime: "podman", unit: "shop.service", service: "shop"},
	{form: "podman-rootless", container: id1, runtime: "podman", unit: "user@1000.service"},
	{form: "containerd-default-namespace", container: "web", runtime: "containerd"},
	{form: "containerd-other-namespace", container: id1},
	{form: "nerdctl", container: id1, runtime: "containerd"},
	{form: "runc", container: id1},
	{form: "runc-named"},
	{form: "ecs", container: id1},
	{form: "ecs-fargate", container: "a6f3b6c1d7e84f0fb2f1a3c4d5e6f708-2531612879"},
	{form: "garden", container: "70755e4b-5d2d-4faf-7d71-7af0", runtime: "garden", unit: "garden.service"},
	{form: "nspawn-unit", container: "my-box", runtime: "systemd-nspawn", unit: "nginx.service", service: "nginx"},
	{form: "nspawn-payload", container: "box", runtime: "systemd-nspawn", unit: "systemd-nspawn@box.service"},
	{form: "nspawn-scope", container: "my-box", runtime: "systemd-nspawn"},
	{form: "libvirt-qemu"},
	{form: "lxc", container: "c1", runtime: "lxc", unit: "cron.service", service: "cron"},
	{form: "lxc-monitor"},
	{form: "systemd-unit", unit: "nginx.service", service: "nginx"},
	{form: "systemd-unit-hybrid-root-v2", unit: "nginx.service", service: "nginx"},
	{form: "systemd-user-unit", unit: "syncthing.service", service: "syncthing"},
	{form: "systemd-user-scope", unit: "user@1000.service"},
	{form: "systemd-session"},
	{form: "systemd-escaped", unit: `postgresql@15\x2dmain.service`, service: "postgresql@15-main"},
	{form: "systemd-underscore", unit: "cgroup.service", service: "cgroup"},
	{form: "systemd-docker-itself", unit: "docker.service", service: "docker"},
	{form: "systemd-slice"},
	{form: "root"},
	{form: "v1-root-of-systemd"},
	{form: "removed", unit: "web.service", service: "web"},
	{form: "malformed"},
}

func TestCgroupForms(t *testing.T) {
	for _, tt := range cgroupForms {
		t.Run(tt.form, func(t *testing.T) {
			got := fixture("testdata/cgroup/" + tt.form).Lookup(42)
			if got == nil {
				t.Fatal("process not found")
			}
			if tt.service == "" {
				tt.service = "fixture"
			}
			want := model.Process{ContainerID: tt.container, Runtime: tt.runtime, Unit: tt.unit, ServiceName: tt.service}
			if got.ContainerID != want.ContainerID || got.Runtime != want.Runtime {
				t.Errorf("container %q of %q, want %q of %q", got.ContainerID, got.Runtime, want.ContainerID, want.Runtime)
			}
			if got.Unit != want.Unit || got.ServiceName != want.ServiceName {
				t.Errorf("unit %q, service %q, want %q, %q", got.Unit, got.ServiceName, want.Unit, want.ServiceName)
			}
		})
	}
}

func TestEveryCgroupFixtureIsExpected(t *testing.T) {
	dirs, err := os.ReadDir("testdata/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, tt := range cgroupForms {
		known[tt.form] = true
	}
	for _, d := range dirs {
		if !known[d.Name()] {
			t.Errorf("testdata/cgroup/%s has no row", d.Name())
		}
	}
}

func TestCgroupPath(t *testing.T) {
	for form, want := range map[string]string{
		"docker-v1":                   "/docker/" + id1, // systemd's hierarchy stands for the process
		"docker-hybrid-root-v2":       "/",              // version 2 is what the kernel's cgroup ids name
		"systemd-unit-hybrid-root-v2": "/",              //
		"systemd-unit":                "/system.slice/nginx.service",
		"removed":                     "/system.slice/web.service",
		"kubernetes-seen-from-a-pod":  "/kubepods-besteffort.slice/kubepods-besteffort-pod6f2a9c1e_1b2c_4d3e_8f4a_5b6c7d8e9f01.slice/cri-containerd-" + id1 + ".scope",
		"malformed":                   "",
	} {
		if got := fixture("testdata/cgroup/" + form).Lookup(42).CgroupPath; got != want {
			t.Errorf("%s: path %q, want %q", form, got, want)
		}
	}
}

func FuzzCgroup(f *testing.F) {
	for _, tt := range cgroupForms {
		b, err := os.ReadFile("testdata/cgroup/" + tt.form + "/42/cgroup")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &model.Process{}
		place(p, parseCgroup(b))
		if p.Runtime != "" && p.ContainerID == "" {
			t.Errorf("runtime %q without a container", p.Runtime)
		}
		if serviceName(p, "") == "" {
			t.Error("no service name")
		}
	})
}

func fixture(root string) *Resolver {
	cfg := Default()
	cfg.ProcRoot = root
	cfg.CgroupRoot = ""
	cfg.Clock = model.Clock{Boot: time.Unix(1_700_000_000, 0)}
	return New(cfg)
}
