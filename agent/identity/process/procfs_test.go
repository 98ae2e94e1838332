// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

const statTail = " S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 1234 1000 10 0\n"

func TestParseStat(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		want stat
		ok   bool
	}{
		"plain":                {"42 (nginx)" + statTail, stat{"nginx", 4194560, 1234}, true},
		"comm with a space":    {"42 (tmux: server)" + statTail, stat{"tmux: server", 4194560, 1234}, true},
		"comm that looks done": {"42 (a) S 9 (b)" + statTail, stat{"a) S 9 (b", 4194560, 1234}, true},
		"comm with a newline":  {"42 (a\nb)" + statTail, stat{"a\nb", 4194560, 1234}, true},
		"empty comm":           {"42 ()" + statTail, stat{"", 4194560, 1234}, true},
		"cut before the start": {"42 (nginx) S 1 42 42 0", stat{}, false},
		"no comm":              {"42" + statTail, stat{}, false},
		"brackets reversed":    {"42 )nginx(" + statTail, stat{}, false},
		"empty":                {"", stat{}, false},
		"start is no number":   {"42 (n)" + strings.Replace(statTail, "1234", "x", 1), stat{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := parseStat([]byte(tt.in))
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("got %+v, %v, want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// tree writes a procfs with process 42 in it. Empty files are left out.
func tree(t *testing.T, comm, exe, cmdline, environ string) *Resolver {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "42")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"stat": "42 (" + comm + ")" + statTail, "cmdline": cmdline, "environ": environ,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if exe != "" {
		if err := os.Symlink(exe, filepath.Join(dir, "exe")); err != nil {
			t.Fatal(err)
		}
	}
	return fixture(root)
}

func TestNamePathCommand(t *testing.T) {
	for name, tt := range map[string]struct {
		comm, exe, cmdline              string
		wantName, wantPath, wantCommand string
	}{
		"program":            {"nginx", "/usr/sbin/nginx", "nginx\x00-g\x00daemon off;\x00", "nginx", "/usr/sbin/nginx", "nginx"},
		"arguments are left": {"curl", "/usr/bin/curl", "/usr/bin/curl\x00-u\x00me:secret\x00", "curl", "/usr/bin/curl", "/usr/bin/curl"},
		"title with arguments is cut": {"nginx", "/usr/sbin/nginx", "nginx: master process /usr/sbin/nginx -p secret nginx\x00",
			"nginx", "/usr/sbin/nginx", "nginx"},
		"title that ends in the program": {"nginx", "/usr/sbin/nginx", "nginx: master process /usr/sbin/nginx\x00", "nginx", "/usr/sbin/nginx", "nginx"},
		"title without end":              {"postgres", "/usr/bin/postgres", "postgres: alice shop 10.0.0.5(5123) SELECT", "postgres", "/usr/bin/postgres", "postgres"},
		"path with a space":              {"run", "/opt/My App/run", "/opt/My App/run\x00-x\x00", "run", "/opt/My App/run", "/opt/My App/run"},
		"interpreter":                    {"gunicorn", "/usr/bin/python3.11", "/usr/bin/python3\x00app.py\x00", "python3.11", "/usr/bin/python3.11", "/usr/bin/python3"},
		"replaced by an upgrade":         {"nginx", "/usr/sbin/nginx (deleted)", "nginx\x00", "nginx", "/usr/sbin/nginx", "nginx"},
		"without a file":                 {"runc:[2:INIT]", "/memfd:runc_cloned:/proc/self/exe (deleted)", "runc\x00init\x00", "runc:[2:INIT]", "/memfd:runc_cloned:/proc/self/exe", "runc"},
		"executable unreadable":          {"sleep", "", "sleep\x009\x00", "sleep", "", "sleep"},
		"empty command line":             {"zombie", "", "", "zombie", "", ""},
		"control characters":             {"a\x1b[31mb", "", "a\x1b[31mb\x00", "a?[31mb", "", "a?[31mb"},
	} {
		t.Run(name, func(t *testing.T) {
			p := tree(t, tt.comm, tt.exe, tt.cmdline, "").Lookup(42)
			if p.Name != tt.wantName || p.Path != tt.wantPath || p.Command != tt.wantCommand {
				t.Errorf("name %q, path %q, command %q, want %q, %q, %q", p.Name, p.Path, p.Command, tt.wantName, tt.wantPath, tt.wantCommand)
			}
			if p.ServiceName != p.Name {
				t.Errorf("service %q, want the name %q", p.ServiceName, p.Name)
			}
		})
	}
}

func TestKernelThreadHasNoExecutable(t *testing.T) {
	r := tree(t, "kthreadd", "/not/read", "", "")
	text := strings.Replace("42 (kthreadd)"+statTail, "4194560", "2129984", 1) // PF_KTHREAD among them
	if err := os.WriteFile(filepath.Join(r.cfg.ProcRoot, "42", "stat"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if p := r.Lookup(42); p.Name != "kthreadd" || p.Path != "" {
		t.Errorf("name %q, path %q", p.Name, p.Path)
	}
}

func TestStartedFromClock(t *testing.T) {
	if got, want := tree(t, "a", "", "", "").Lookup(42).Started, time.Unix(1_700_000_012, 340_000_000); !got.Equal(want) {
		t.Errorf("started %v, want %v", got, want)
	}
}

func TestDeclaredServiceName(t *testing.T) {
	for name, tt := range map[string]struct{ environ, want string }{
		"service name":                        {"PATH=/bin\x00OTEL_SERVICE_NAME=shop\x00HOME=/\x00", "shop"},
		"last variable without an end":        {"OTEL_SERVICE_NAME=shop", "shop"},
		"before attributes":                   {"OTEL_RESOURCE_ATTRIBUTES=service.name=a\x00OTEL_SERVICE_NAME=b\x00", "b"},
		"attributes":                          {"OTEL_RESOURCE_ATTRIBUTES=deployment.environment=prod,service.name=cart,x=y\x00", "cart"},
		"attribute percent-decoded":           {"OTEL_RESOURCE_ATTRIBUTES=service.name=my%20shop%2Cnew\x00", "my shop,new"},
		"attribute with a plus":               {"OTEL_RESOURCE_ATTRIBUTES=service.name=a+b\x00", "a+b"},
		"attribute with spaces around":        {"OTEL_RESOURCE_ATTRIBUTES= service.name = cart ,x=y\x00", "cart"},
		"last attribute counts":               {"OTEL_RESOURCE_ATTRIBUTES=service.name=a,service.name=b\x00", "b"},
		"undecodable attribute":               {"OTEL_RESOURCE_ATTRIBUTES=service.name=%zz\x00", ""},
		"first variable counts, as in getenv": {"OTEL_RESOURCE_ATTRIBUTES=service.name=a\x00OTEL_RESOURCE_ATTRIBUTES=service.name=b\x00", "a"},
		"empty is unset":                      {"OTEL_SERVICE_NAME=\x00OTEL_RESOURCE_ATTRIBUTES=service.name=cart\x00", "cart"},
		"other names of the same end":         {"MY_OTEL_SERVICE_NAME=x\x00OTEL_SERVICE_NAMES=y\x00", ""},
		"attribute of another name":           {"OTEL_RESOURCE_ATTRIBUTES=service.namespace=x,my.service.name=y\x00", ""},
		"control characters":                  {"OTEL_SERVICE_NAME=a\nb\x00", "a?b"},
		"too long":                            {"OTEL_SERVICE_NAME=" + strings.Repeat("é", 200) + "\x00", strings.Repeat("é", 127)},
		"nothing":                             {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := declaredName([]byte(tt.environ)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestServiceNameOrder(t *testing.T) {
	unit := model.Process{Name: "python3", Unit: "shop.service"}
	for name, tt := range map[string]struct {
		process  model.Process
		declared string
		want     string
	}{
		"declared before unit":              {unit, "cart", "cart"},
		"unit before name":                  {unit, "", "shop"},
		"name":                              {model.Process{Name: "python3"}, "", "python3"},
		"user manager is no service":        {model.Process{Name: "bash", Unit: "user@1000.service"}, "", "bash"},
		"runtime itself":                    {model.Process{Name: "dockerd", Unit: "docker.service"}, "", "docker"},
		"runtime's unit, in its container":  {model.Process{Name: "nginx", Unit: "docker.service", ContainerID: id1}, "", "nginx"},
		"unit around or inside a container": {model.Process{Name: "nginx", Unit: "web.service", ContainerID: id1}, "", "web"},
		"nothing known":                     {model.Process{}, "", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := serviceName(&tt.process, tt.declared); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEnvironBeyondTheLimitIsCounted(t *testing.T) {
	r := tree(t, "a", "", "", strings.Repeat("A=1234\x00", 50_000)+"OTEL_SERVICE_NAME=late\x00")
	if got := r.Lookup(42).ServiceName; got != "a" {
		t.Errorf("service %q, want the name", got)
	}
	if got := r.Stats().Cut; got != 1 {
		t.Errorf("cut %d files, want 1", got)
	}
}

func TestLongEnvironIsReadWhole(t *testing.T) {
	r := tree(t, "a", "", "", strings.Repeat("A=1234\x00", 30_000)+"OTEL_SERVICE_NAME=late\x00")
	if got := r.Lookup(42).ServiceName; got != "late" {
		t.Errorf("service %q", got)
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("42 (nginx)" + statTail))
	f.Add([]byte("42 (a) S 9 (b)" + statTail))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseStat(b); ok && !strings.Contains(string(b), "("+s.comm+")") {
			t.Errorf("comm %q is not in %q", s.comm, b)
		}
	})
}

func FuzzDeclaredName(f *testing.F) {
	f.Add([]byte("OTEL_RESOURCE_ATTRIBUTES=service.name=my%20shop\x00OTEL_SERVICE_NAME=b\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		name := declaredName(b)
		if len(name) > nameBytes || clean(name) != name {
			t.Errorf("unfit name %q", name)
		}
	})
}
