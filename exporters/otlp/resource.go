// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// maxResources bounds the resources that are kept. Past it all are forgotten, which costs their encoding once more.
const maxResources = 4096

// resources keeps the encoded resource of each process. It is for one goroutine.
type resources struct {
	describe semconv.Resource
	known    map[*model.Process]*resourcepb.Resource
}

// of returns the resource of p. Its content is unknown fields, which marshalling copies.
func (rs *resources) of(p *model.Process) *resourcepb.Resource {
	if r, ok := rs.known[p]; ok {
		return r
	}
	if len(rs.known) >= maxResources || rs.known == nil {
		rs.known = make(map[*model.Process]*resourcepb.Resource)
	}
	var w resourceWriter
	rs.describe.Visit(p, &w)
	r := &resourcepb.Resource{}
	r.ProtoReflect().SetUnknown(w.b)
	rs.known[p] = r
	return r
}

// scope returns the scope of everything that sonde exports.
func scope(version string) *commonpb.InstrumentationScope {
	return &commonpb.InstrumentationScope{Name: semconv.Scope, Version: validString(version)}
}

// resourceWriter appends the attributes of a resource. It implements semconv.ResourceVisitor.
type resourceWriter struct{ b []byte }

func (w *resourceWriter) String(key, value string) {
	w.b = appendStringAttribute(w.b, resourceAttributes, key, validString(value))
}

func (w *resourceWriter) Int(key string, value int64) {
	w.b = appendIntAttribute(w.b, resourceAttributes, key, uint64(value))
}
