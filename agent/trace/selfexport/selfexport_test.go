// SPDX-License-Identifier: Apache-2.0

package selfexport

import (
	"testing"
	"time"

	"sonde/agent/model"
)

var began = time.Unix(1_700_000_000, 0)

func process(pid uint32) *model.Process { return &model.Process{PID: pid, Started: began} }

func post(path string) *model.Request {
	return &model.Request{
		Role: model.RoleClient, Client: model.Endpoint{Process: process(1)},
		HTTP: &model.HTTP{Method: "POST", Path: path, Status: 200},
	}
}

func call(method string) *model.Request {
	r := post("/" + method)
	r.RPC = &model.RPC{Method: method}
	return r
}

func TestExportsAreKnownByWhatIsSent(t *testing.T) {
	with := func(r *model.Request, change func(r *model.Request)) *model.Request {
		change(r)
		return r
	}
	for _, c := range []struct {
		name            string
		r               *model.Request
		traces, metrics bool
	}{
		{"OTLP over HTTP", post("/v1/traces"), true, false},
		{"OTLP metrics over HTTP", post("/v1/metrics"), false, true},
		{"OTLP logs are neither", post("/v1/logs"), false, false},
		{"below a path that says so", post("/otlp/v1/traces"), true, false},
		{"below a path that does not", post("/api/v1/traces"), false, false},
		{"below one, by an exporter", with(post("/api/v1/traces"), func(r *model.Request) { r.HTTP.UserAgent = "OTel-OTLP-Exporter-Python/1.27.0" }), true, false},
		{"slash behind", post("/v1/traces/"), true, false},
		{"like it", post("/v1/tracesets"), false, false},
		{"read, not sent", with(post("/v1/traces"), func(r *model.Request) { r.HTTP.Method = "GET" }), false, false},
		{"not accepted", with(post("/v1/traces"), func(r *model.Request) { r.HTTP.Status = 404 }), false, false},
		{"without an answer", with(post("/v1/traces"), func(r *model.Request) { r.Outcome, r.HTTP.Status = model.OutcomeIncomplete, 0 }), false, false},
		{"OTLP over gRPC", call("opentelemetry.proto.collector.trace.v1.TraceService/Export"), true, false},
		{"OTLP metrics over gRPC", call("opentelemetry.proto.collector.metrics.v1.MetricsService/Export"), false, true},
		{"OTLP logs over gRPC", call("opentelemetry.proto.collector.logs.v1.LogsService/Export"), false, false},
		{"gRPC that fails", with(call("opentelemetry.proto.collector.trace.v1.TraceService/Export"), func(r *model.Request) { r.RPC.Status = 14 }), false, false},
		{"gRPC whose status was not seen", with(call("opentelemetry.proto.collector.trace.v1.TraceService/Export"), func(r *model.Request) { r.RPC.Status = -1 }), false, false},
		{"another service", call("shop.TraceService/Export"), false, false},
		{"Zipkin", with(post("/api/v2/spans"), func(r *model.Request) { r.HTTP.Status = 202 }), true, false},
		{"Jaeger", with(post("/api/traces"), func(r *model.Request) { r.HTTP.Query = "format=jaeger.thrift" }), true, false},
		{"Jaeger's path without its format", post("/api/traces"), false, false},
		{"Jaeger over gRPC", call("jaeger.api_v2.CollectorService/PostSpans"), true, false},
		{"received, not sent", with(post("/v1/traces"), func(r *model.Request) { r.Role, r.Server.Process = model.RoleServer, process(1) }), false, false},
		{"in a capture file", with(post("/v1/traces"), func(r *model.Request) { r.Role = model.RoleWire }), false, false},
		{"by nobody known", with(post("/v1/traces"), func(r *model.Request) { r.Client.Process = nil }), false, false},
		{"another protocol", &model.Request{Role: model.RoleClient, Client: model.Endpoint{Process: process(1)}}, false, false},
	} {
		d := New(Default())
		d.Seen(c.r)
		if traces, metrics := d.Traces(process(1)), d.Metrics(process(1)); traces != c.traces || metrics != c.metrics {
			t.Errorf("%s: traces %v, metrics %v", c.name, traces, metrics)
		}
	}
}

func TestOnlyTheSenderIsSilenced(t *testing.T) {
	d := New(Default())
	application, collector := post("/v1/traces"), post("/v1/traces")
	application.Server.Process = process(2)
	d.Seen(application)
	if !d.Traces(process(1)) || d.Traces(process(2)) || d.Traces(nil) {
		t.Error("not the sender alone")
	}
	received := post("/v1/traces")
	received.Role, received.Client.Process, received.Server.Process = model.RoleServer, process(1), process(2)
	d.Seen(received)
	if d.Traces(process(2)) {
		t.Error("the receiver is silenced")
	}
	collector.Client.Process = process(2)
	d.Seen(collector)
	if !d.Traces(process(2)) {
		t.Error("a collector that exports is not silenced")
	}
}

func TestAProcessWithTheSameNumberIsAnother(t *testing.T) {
	d := New(Default())
	d.Seen(post("/v1/traces"))
	later := &model.Process{PID: 1, Started: began.Add(time.Second)}
	if d.Traces(later) || !d.Traces(process(1)) {
		t.Error("a process is taken for its predecessor")
	}
	r := post("/v1/metrics")
	r.Client.Process = later
	d.Seen(r)
	if d.Traces(later) || !d.Metrics(later) || d.Traces(process(1)) {
		t.Error("a process was given what its predecessor exported")
	}
	if c := d.Counts(); c != (Counts{Metrics: 1}) {
		t.Errorf("%+v", c)
	}
}

func TestEndedProcessesAreForgotten(t *testing.T) {
	d := New(Default())
	for i := range uint32(3) {
		r := post("/v1/traces")
		r.Client.Process = process(i + 1)
		d.Seen(r)
	}
	d.Tick(9 * time.Minute)
	d.Traces(process(2)) // it has spans
	d.Tick(18 * time.Minute)
	if !d.Traces(process(2)) || d.Traces(process(3)) {
		t.Error("what is forgotten is not what was quiet")
	}
}

func TestTheNumberOfProcessesIsBounded(t *testing.T) {
	c := Default()
	c.MaxProcesses = 10
	d := New(c)
	for i := range uint32(100) {
		d.Tick(time.Duration(i) * time.Second)
		r := post("/v1/traces")
		r.Client.Process = process(i + 1)
		d.Seen(r)
	}
	if n := d.Counts().Traces; n != 10 || !d.Traces(process(100)) || !d.Traces(process(91)) || d.Traces(process(90)) {
		t.Errorf("%d processes", n)
	}
}

func TestSilencingCanBeSwitchedOff(t *testing.T) {
	c := Default()
	c.Enabled = false
	d := New(c)
	d.Seen(post("/v1/traces"))
	if d.Traces(process(1)) || d.Counts().Traces != 1 {
		t.Error("it is silenced, or not counted")
	}
	if (Config{}).Validate() == nil || c.Validate() != nil {
		t.Error("validation")
	}
}

func TestNothingIsAllocatedForOtherRequests(t *testing.T) {
	d, r, p := New(Default()), post("/cart/7"), process(1)
	if n := testing.AllocsPerRun(100, func() { d.Seen(r); d.Traces(p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
