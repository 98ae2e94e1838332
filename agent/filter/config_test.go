// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	zeroID  = "00000000000000000000000000000000"
)

func TestErrorsNameTheFlagAndWhatItAccepts(t *testing.T) {
	for line, wants := range map[string][]string{
		"--protocol htp":                   {"--protocol", `"htp"`, "tcp, udp, icmp"},
		"--port 0":                         {"--port", `"0"`, "1 to 65535"},
		"--port 65536":                     {"--port", "65536"},
		"--port http":                      {"--port", "http"},
		"--ip 10.0.0":                      {"--ip", "10.0.0", "prefix"},
		"--ip fe80::1%eth0":                {"--ip", "fe80::1%eth0"},
		"--pid 0":                          {"--pid"},
		"--pid -1":                         {"--pid", "-1"},
		"--http-status 6":                  {"--http-status", `"6"`, "5+"},
		"--http-status 500+":               {"--http-status", "500+"},
		"--http-status 499-400":            {"--http-status", "499-400"},
		"--http-method G(T":                {"--http-method", "G(T"},
		"--http-method GÉT":                {"--http-method", "GÉT"},
		"--http-path a(":                   {"--http-path", "missing closing )"},
		"--type l7":                        {"--type", "request, flow, lost"},
		"--role peer":                      {"--role", "client, server"},
		"--outcome bad":                    {"--outcome", "ok, error, incomplete"},
		"--to-port http":                   {"--to-port", "http"},
		"--from-ip a":                      {"--from-ip", "prefix"},
		"--service ,":                      {"--service", "service name"},
		"--container ,":                    {"--container", "container id"},
		"--dns-name ,":                     {"--dns-name", "name"},
		"--trace-id 7b":                    {"--trace-id", "7b", "32 hex digits"},
		"--trace-id " + traceID + "0":      {"--trace-id", "32 hex digits"},
		"--trace-id " + zeroID:             {"--trace-id", "32 hex digits"},
		"--min-duration 5":                 {"--min-duration", "unit"},
		"--min-duration -5s":               {"--min-duration", "unit"},
		"--type flow --min-duration 1s":    {"--min-duration", "--type request"},
		"--type flow --dns-name a":         {"--dns-name", "--type request"},
		"--process ,":                      {"--process", "name"},
		"--colour red":                     {"--colour"},
		"--not":                            {"--not"},
		"--port 80 --not":                  {"--not", "followed"},
		"--not --not --port 80":            {"--not twice"},
		"--not --role peer":                {"--role"},
		"--type flow --http-status 5+":     {"--http-status", "--type request"},
		"--type lost --outcome error":      {"--outcome", "--type request"},
		"--role peer --outcome no --ip ::": {"--role", "--outcome"}, // all at once
	} {
		_, err := compileLine(line)
		if err == nil {
			t.Errorf("%s: accepted", line)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q lacks %q", line, err, want)
			}
		}
	}
}

func TestConfigIsCheckedWithoutArguments(t *testing.T) {
	for name, c := range map[string]Terms{
		"port 0":         {Ports: []uint16{0}},
		"pid 0":          {PIDs: []uint32{0}},
		"invalid prefix": {IPs: []netip.Prefix{{}}},
		"empty process":  {Processes: []string{""}},
		"empty method":   {HTTPMethods: []string{""}},
		"empty status":   {HTTPStatuses: []string{""}},
		"empty service":  {ToServices: []string{""}},
		"empty text":     {Texts: []string{""}},
		"no duration":    {MinDurations: []time.Duration{0}},
		"empty trace":    {TraceIDs: []string{""}},
	} {
		if (Config{Allow: c}).Validate() == nil || (Config{Deny: c}).Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestEveryFlagCanBeSetAndReversed(t *testing.T) {
	example := map[string]string{
		"protocol": "http", "port": "80", "ip": "::1", "pid": "1", "process": "a", "http-status": "200",
		"http-method": "GET", "http-path": "/", "type": "request", "role": "client", "outcome": "ok",
		"from-port": "80", "to-port": "80", "from-ip": "::1", "to-ip": "::1", "from-process": "a", "to-process": "a", "service": "a",
		"from-service": "a", "to-service": "a", "container": "3f", "dns-name": "a", "trace-id": traceID, "min-duration": "1s", "text": "a",
	}
	for i, f := range Flags() {
		allow, deny := compiled(t, "--"+f.Name+" "+example[f.Name]), compiled(t, "--not --"+f.Name+" "+example[f.Name])
		if want := uint32(1) << i; allow.allow.kinds != want || deny.deny.kinds != want || deny.allow.kinds != 0 {
			t.Errorf("--%s sets %b and %b, want %b", f.Name, allow.allow.kinds, deny.deny.kinds, want)
		}
		if f.Accepts == "" || f.Usage == "" {
			t.Errorf("--%s is not described", f.Name)
		}
	}
}

func TestFilterIsIndependentOfItsConfig(t *testing.T) {
	c := Config{Allow: Terms{Ports: []uint16{8080}, Processes: []string{"nginx"}}}
	f, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Allow.Ports[0], c.Allow.Processes[0] = 1, "other"
	scope := f.Kernel()
	scope.Ports[0] = 1
	if !f.Request(request(nil)) {
		t.Error("changing the config or the scope changed the filter")
	}
}

func TestParseIP(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.7": "10.0.0.7/32", "10.1.2.3/8": "10.0.0.0/8", "fd00::7": "fd00::7/128", "fd00::7/64": "fd00::/64",
		"::ffff:10.0.0.7": "10.0.0.7/32", "0.0.0.0/0": "0.0.0.0/0",
		"": "", "10.0.0.7/33": "", "localhost": "", "10.0.0.7:80": "",
	} {
		got, err := ParseIP(in)
		if want == "" && err == nil || want != "" && got.String() != want {
			t.Errorf("%q: %v, %v, want %q", in, got, err, want)
		}
	}
	mapped := netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104)
	f, err := Compile(Config{Allow: Terms{IPs: []netip.Prefix{mapped}}})
	if err != nil || !f.Request(request(nil)) {
		t.Errorf("a mapped prefix in a Config does not match IPv4: %v", err)
	}
}

func TestKernelScope(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       Scope
	}{
		{"nothing said", "", Scope{Requests: true, Flows: true}},
		{"ports and pids", "--port 80,443 --pid 7", Scope{Requests: true, Flows: true, Ports: []uint16{80, 443}, PIDs: []uint32{7}}},
		{"denied", "--not --port 22 --not --pid 7", Scope{Requests: true, Flows: true, NotPorts: []uint16{22}, NotPIDs: []uint32{7}}},
		{"names are for user space", "--process nginx --ip ::1 --role client", Scope{Requests: true, Flows: true}},
		{"port of the server", "--to-port 80", Scope{Requests: true, Flows: true, Ports: []uint16{80}}},
		{"port of the client", "--from-port 80", Scope{Requests: true, Flows: true, Ports: []uint16{80}}},
		{"ports of each end", "--from-port 4000 --to-port 80", Scope{Requests: true, Flows: true, Ports: []uint16{80}}},
		{"port of either and of one end", "--to-port 80 --port 4000", Scope{Requests: true, Flows: true, Ports: []uint16{4000}}},
		{"denied at one end", "--not --to-port 80 --not --from-port 80", Scope{Requests: true, Flows: true}},
		{"text and names", "--text shop --service cart --container 3f --to-ip ::1", Scope{Requests: true, Flows: true}},
		{"traces", "--trace-id " + traceID, Scope{Requests: true}},
		{"slow", "--min-duration 1s", Scope{Requests: true}},
		{"names that are looked up", "--dns-name *.example", Scope{Requests: true}},
		{"flows alone", "--type flow", Scope{Flows: true}},
		{"losses alone", "--type lost", Scope{}},
		{"no flows", "--not --type flow", Scope{Requests: true}},
		{"terms of requests", "--http-status 5+", Scope{Requests: true}},
		{"denied terms of requests", "--not --http-status 5+", Scope{Requests: true, Flows: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := compiled(t, tt.line).Kernel()
			if got.Requests != tt.want.Requests || got.Flows != tt.want.Flows ||
				!slices.Equal(got.Ports, tt.want.Ports) || !slices.Equal(got.NotPorts, tt.want.NotPorts) ||
				!slices.Equal(got.PIDs, tt.want.PIDs) || !slices.Equal(got.NotPIDs, tt.want.NotPIDs) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// keeps is what a kernel does with a scope.
func (s Scope) keeps(event bool, role model.Role, client, server *model.Endpoint) bool {
	port := func(list []uint16) bool {
		return slices.Contains(list, client.Addr.Port()) || slices.Contains(list, server.Addr.Port())
	}
	local := client
	if role == model.RoleServer {
		local = server
	}
	owned := role != model.RoleUnknown && role != model.RoleWire && local.Process != nil
	switch {
	case !event, len(s.Ports) > 0 && !port(s.Ports), port(s.NotPorts):
		return false
	case owned && len(s.PIDs) > 0 && !slices.Contains(s.PIDs, local.Process.PID):
		return false
	}
	return !owned || !slices.Contains(s.NotPIDs, local.Process.PID)
}

func TestKernelKeepsWhatUserSpaceWants(t *testing.T) {
	var lines []string
	terms := []string{"--port 8080", "--port 22", "--pid 100", "--pid 200", "--type flow", "--type request", "--process nginx", "--outcome ok",
		"--to-port 8080", "--from-port 40000", "--to-port 40000", "--text 8080", "--service nginx"}
	for _, a := range terms {
		for _, b := range terms {
			lines = append(lines, a, "--not "+a, a+" "+b, a+" --not "+b, "--not "+a+" --not "+b)
		}
	}
	passed := 0
	for _, line := range lines {
		f, err := compileLine(line)
		if err != nil {
			continue // terms of requests without requests
		}
		scope := f.Kernel()
		for _, role := range []model.Role{model.RoleUnknown, model.RoleClient, model.RoleServer, model.RoleWire} {
			r := request(func(r *model.Request) { r.Role = role })
			fl := flow(func(f *model.Flow) { f.Role, f.Server.Process = role, nginx })
			if f.Request(r) && !scope.keeps(scope.Requests, role, &r.Client, &r.Server) {
				t.Errorf("%s: the kernel leaves out a request seen as %v", line, role)
			}
			if f.Flow(fl) && !scope.keeps(scope.Flows, role, &fl.Client, &fl.Server) {
				t.Errorf("%s: the kernel leaves out a flow seen as %v", line, role)
			}
			if f.Request(r) {
				passed++
			}
		}
	}
	if passed == 0 {
		t.Error("no line let anything pass")
	}
}

func TestEveryProtocolOfTheModelIsAccepted(t *testing.T) {
	for p := model.ProtocolUnknown + 1; p.String() != "" && p < 64; p++ {
		f := compiled(t, "--protocol "+p.String())
		if !f.Flow(flow(func(f *model.Flow) { f.Protocol = p })) {
			t.Errorf("%v does not match itself", p)
		}
	}
}
