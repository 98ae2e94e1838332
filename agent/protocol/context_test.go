// SPDX-License-Identifier: Apache-2.0

package protocol

import "testing"

func TestFieldsThatCarryContextAreKnownInAnyCase(t *testing.T) {
	for name, want := range map[string]bool{
		"traceparent": true, "Tracestate": true, "B3": true, "X-B3-TraceId": true, "x-b3-parentspanid": true,
		"Uber-Trace-Id": true, "X-AMZN-TRACE-ID": true, "grpc-trace-bin": true,
		"x-datadog-trace-id": true, "X-Datadog-Sampling-Priority": true, "x-datadog-tags": true,
		"": false, "b": false, "x": false, "baggage": false, "trace-parent": false, "x-request-id": false, "authorization": false,
		"x-datadog-sampling-priority-and-more": false,
	} {
		if CarriesContext([]byte(name)) != want {
			t.Errorf("%q: %v", name, !want)
		}
		if want && !PublicField([]byte(name)) {
			t.Errorf("a recording hides %q", name)
		}
	}
	name := []byte("X-Datadog-Sampling-Priority")
	if n := testing.AllocsPerRun(10, func() { CarriesContext(name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
