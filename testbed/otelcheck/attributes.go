// SPDX-License-Identifier: Apache-2.0

package otelcheck

import (
	"fmt"
	"slices"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
)

// ownPrefix begins every name that no convention has.
const ownPrefix = "sonde."

// report collects violations, each once: a thousand spans with one mistake are one mistake.
type report struct {
	seen map[string]bool
	list []string
}

func (r *report) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.seen[text] {
		return
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[text] = true
	r.list = append(r.list, text)
}

// behind holds names that the registry, which is newer than the schema that sonde follows, calls by their next name.
var behind = map[string]string{
	"rpc.response.status_code": "rpc.status_code", // released schemas 1.39 to 1.44
}

// custom holds values that are no members of their enum and right all the same. nil allows every value.
var custom = map[string][]string{
	"error.type":        nil, // status codes, error names: the convention wants them
	"db.system.name":    {"etcd"},
	"messaging.system":  {"nats", "mqtt"},
	"network.transport": {"icmp", "ipv6-icmp"}, // flows below TCP and UDP
	"rpc.system.name":   nil,
	"otel.component.type": { // exporters that no SDK has
		"console_span_exporter", "console_metric_exporter", "otlp_file_span_exporter", "jaeger_thrift_http_span_exporter", "jaeger_thrift_udp_span_exporter",
	},
}

// specified holds attributes of the OpenTelemetry specification, which are not in the registry of conventions.
var specified = map[string]attribute{
	"otel.metric.overflow": {Type: "boolean"}, // metrics SDK, cardinality limits
}

// described checks keys, types and values, and returns the attributes by key.
func (g *Registry) described(r *report, where string, all []*commonpb.KeyValue) map[string]*commonpb.AnyValue {
	byKey := make(map[string]*commonpb.AnyValue, len(all))
	for _, kv := range all {
		if _, twice := byKey[kv.GetKey()]; twice {
			r.add("%s: attribute %s is there twice", where, kv.GetKey())
		}
		byKey[kv.GetKey()] = kv.GetValue()
		g.attribute(r, where, kv)
	}
	return byKey
}

func (g *Registry) attribute(r *report, where string, kv *commonpb.KeyValue) {
	key, value := kv.GetKey(), kv.GetValue()
	if value.GetValue() == nil {
		r.add("%s: attribute %s has no value", where, key)
		return
	}
	if strings.HasPrefix(key, ownPrefix) {
		return
	}
	a, known := g.describe(key)
	if !known {
		r.add("%s: attribute %s is not in the registry and does not begin with %q", where, key, ownPrefix)
		return
	}
	if a.Deprecated != nil && behind[key] == "" && !slices.Contains(old, key) {
		r.add("%s: attribute %s is deprecated (now %s)", where, key, a.Deprecated.RenamedTo)
	}
	want := a.kind()
	if got := kindOf(value); want != "any" && got != want && !(got == emptyArray && strings.HasSuffix(want, "[]")) {
		r.add("%s: attribute %s is of type %s, the registry says %s", where, key, got, want)
		return
	}
	if text := value.GetStringValue(); a.Type == "enum" && want == "string" && !isMember(key, a.Members, text) {
		r.add("%s: attribute %s=%q is no member of its enum", where, key, text)
	}
}

// describe finds an attribute, or the template that makes it ("http.request.header.<key>").
func (g *Registry) describe(key string) (attribute, bool) {
	if a, ok := specified[key]; ok {
		return a, true
	}
	if a, ok := g.attributes[key]; ok {
		return a, !strings.HasPrefix(a.Type, "template[")
	}
	for at := len(key) - 1; at > 0; at-- {
		if key[at] != '.' {
			continue
		}
		if a, ok := g.attributes[key[:at]]; ok && strings.HasPrefix(a.Type, "template[") {
			return a, true
		}
	}
	return attribute{}, false
}

// kind is the type of a value, without the words of the registry around it.
func (a attribute) kind() string {
	switch {
	case a.Type == "enum":
		return a.ValueType
	case strings.HasPrefix(a.Type, "template["):
		return strings.TrimSuffix(strings.TrimPrefix(a.Type, "template["), "]")
	}
	return a.Type
}

const emptyArray = "empty array"

func kindOf(v *commonpb.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return "string"
	case *commonpb.AnyValue_BoolValue:
		return "boolean"
	case *commonpb.AnyValue_IntValue:
		return "int"
	case *commonpb.AnyValue_DoubleValue:
		return "double"
	case *commonpb.AnyValue_ArrayValue:
		values := v.ArrayValue.GetValues()
		if len(values) == 0 {
			return emptyArray
		}
		kind := kindOf(values[0])
		for _, other := range values[1:] {
			if kindOf(other) != kind {
				return "mixed array"
			}
		}
		return kind + "[]"
	}
	return "something else"
}

func isMember(key string, members []any, value string) bool {
	if slices.Contains(members, any(value)) {
		return true
	}
	more, open := custom[key]
	if slices.Contains(more, value) {
		return true
	}
	if !open || more != nil {
		return false
	}
	return !slices.ContainsFunc(members, func(m any) bool { // "Grpc" is no new system, it is grpc misspelt
		s, isText := m.(string)
		return isText && strings.EqualFold(s, value)
	})
}

// resource checks what tells services apart.
func (g *Registry) resource(r *report, signal string, all []*commonpb.KeyValue, schemaURL string) string {
	name := ""
	for _, kv := range all {
		if kv.GetKey() == "service.name" {
			name = kv.GetValue().GetStringValue()
		}
	}
	where := signal + " of service " + name
	byKey := g.described(r, where+", resource", all)
	if name == "" {
		r.add("%s: a resource has no service.name", signal)
	}
	// Reserved for OpenTelemetry's own SDKs (resource conventions, telemetry.sdk.name).
	if byKey["telemetry.sdk.name"].GetStringValue() == "opentelemetry" {
		r.add("%s: telemetry.sdk.name is reserved for OpenTelemetry's own", where)
	}
	if schemaURL != "" {
		g.schema(r, where+", resource", schemaURL)
	}
	return where
}

func (g *Registry) schema(r *report, where, url string) {
	if !strings.HasPrefix(url, "https://opentelemetry.io/schemas/1.") {
		r.add("%s: schema_url %q is none of OpenTelemetry's", where, url)
	}
}

// scope checks who measured.
func (g *Registry) scope(r *report, where string, s *commonpb.InstrumentationScope, schemaURL string) {
	if s.GetName() == "" {
		r.add("%s: the scope has no name", where)
	}
	g.schema(r, where+", scope", schemaURL)
}
