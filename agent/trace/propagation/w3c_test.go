// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"fmt"
	"strings"
	"testing"

	"sonde/agent/model"
)

const (
	validTrace  = "12345678901234567890123456789012"
	validParent = "1234567890123456"
	plain       = validTrace + "-" + validParent + "-00"
)

func parents(values ...string) (fields []model.Field) {
	for _, v := range values {
		fields = append(fields, model.Field{Name: "traceparent", Value: v})
	}
	return fields
}

// states is a valid parent with the given tracestate fields.
func states(values ...string) []model.Field {
	fields := parents("00-" + plain)
	for _, v := range values {
		fields = append(fields, model.Field{Name: "tracestate", Value: v})
	}
	return fields
}

// The names are those of w3c/trace-context test/test.py, followed by what the case sends.
func TestTraceparentOfTheValidator(t *testing.T) {
	const id, span = validTrace, validParent
	tooMany := func(n int) string { return strings.Repeat("1", n) }
	extractAll(t, extractor(t, "tracecontext", "baggage"), []extraction{
		{"both traceparent and tracestate missing", nil, "none"},
		{"traceparent included, tracestate missing", parents("00-" + id + "-" + span + "-01"), id + "-" + span + "-01"},
		{"traceparent duplicated", parents("00-"+id+"-"+span+"-01", "00-12345678901234567890123456789011-"+span+"-01"), "none"},
		{"traceparent duplicated, same value", parents("00-"+id+"-"+span+"-01", "00-"+id+"-"+span+"-01"), "none"},
		{"header name trace-parent", []model.Field{{Name: "trace-parent", Value: "00-" + plain}}, "none"},
		{"header name trace.parent", []model.Field{{Name: "trace.parent", Value: "00-" + plain}}, "none"},
		{"header name casing TraceParent", []model.Field{{Name: "TraceParent", Value: "00-" + plain}}, plain},
		{"header name casing TrAcEpArEnT", []model.Field{{Name: "TrAcEpArEnT", Value: "00-" + plain}}, plain},
		{"header name casing TRACEPARENT", []model.Field{{Name: "TRACEPARENT", Value: "00-" + plain}}, plain},
		{"version 0x00, dot at the end", parents("00-" + plain + "."), "none"},
		{"version 0x00, more at the end", parents("00-" + plain + "-what-the-future-will-be-like"), "none"},
		{"version 0xcc", parents("cc-" + plain), plain},
		{"version 0xcc, more at the end", parents("cc-" + plain + "-what-the-future-will-be-like"), plain},
		{"version 0xcc, more without a dash", parents("cc-" + plain + ".what-the-future-will-be-like"), "none"},
		{"version 0xff", parents("ff-" + plain), "none"},
		{"version illegal characters", parents(".0-" + plain), "none"},
		{"version illegal characters behind", parents("0.-" + plain), "none"},
		{"version too long", parents("000-" + plain), "none"},
		{"version much too long", parents("0000-" + plain), "none"},
		{"version too short", parents("0-" + plain), "none"},
		{"trace id all zero", parents("00-" + strings.Repeat("0", 32) + "-" + span + "-01"), "none"},
		{"trace id illegal characters", parents("00-.2345678901234567890123456789012-" + span + "-01"), "none"},
		{"trace id illegal characters behind", parents("00-1234567890123456789012345678901.-" + span + "-01"), "none"},
		{"trace id upper case", parents("00-A2345678901234567890123456789012-" + span + "-01"), "none"},
		{"trace id too long", parents("00-" + tooMany(33) + "-" + span + "-01"), "none"},
		{"trace id too short", parents("00-" + tooMany(31) + "-" + span + "-01"), "none"},
		{"parent id all zero", parents("00-" + id + "-0000000000000000-01"), "none"},
		{"parent id illegal characters", parents("00-" + id + "-.234567890123456-01"), "none"},
		{"parent id illegal characters behind", parents("00-" + id + "-123456789012345.-01"), "none"},
		{"parent id upper case", parents("00-" + id + "-A234567890123456-01"), "none"},
		{"parent id too long", parents("00-" + id + "-" + tooMany(17) + "-01"), "none"},
		{"parent id too short", parents("00-" + id + "-" + tooMany(15) + "-01"), "none"},
		{"trace flags illegal characters", parents("00-" + id + "-" + span + "-.0"), "none"},
		{"trace flags illegal characters behind", parents("00-" + id + "-" + span + "-0."), "none"},
		{"trace flags upper case", parents("00-" + id + "-" + span + "-0A"), "none"},
		{"trace flags too long", parents("00-" + id + "-" + span + "-001"), "none"},
		{"trace flags too short", parents("00-" + id + "-" + span + "-1"), "none"},
		{"ows handling", parents(" \t 00-" + id + "-" + span + "-01 \t"), id + "-" + span + "-01"},
		{"random flag of level 2", parents("00-" + id + "-" + span + "-02"), id + "-" + span + "-02"},
		{"unknown flags are dropped", parents("00-" + id + "-" + span + "-ff"), id + "-" + span + "-03"},
		{"empty", parents(""), "none"},
	})
}

func TestTracestateOfTheValidator(t *testing.T) {
	with := func(state string) string { return plain + " state=" + state }
	members := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("bar%02d=%02d", i, i))
		}
		return strings.Join(all, ",")
	}
	const (
		lowerCase = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
		allValues = ` !"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_` + "`abcdefghijklmnopqrstuvwxyz{|}~"
	)
	noParent := []model.Field{{Name: "tracestate", Value: "foo=1"}}
	extractAll(t, extractor(t, "tracecontext"), []extraction{
		{"tracestate included, traceparent missing", noParent, "none"},
		{"tracestate included, traceparent invalid", append(parents("00-0"), noParent...), "none"},
		{"tracestate included, traceparent included", states("foo=1,bar=2"), with("foo=1,bar=2")},
		{"header name trace-state", append(parents("00-"+plain), model.Field{Name: "trace-state", Value: "foo=1"}), plain},
		{"header name casing", append(parents("00-"+plain), model.Field{Name: "TrAcEsTaTe", Value: "foo=1"}), with("foo=1")},
		{"empty header", states(""), plain},
		{"empty header behind", states("foo=1", ""), with("foo=1")},
		{"empty header before", states("", "foo=1"), with("foo=1")},
		{"multiple headers, different keys", states("foo=1,bar=2", "rojo=1,congo=2", "baz=3"), with("foo=1,bar=2,rojo=1,congo=2,baz=3")},
		{"duplicated keys", states("foo=1,foo=1"), plain},
		{"duplicated keys, different values", states("foo=1,foo=2"), plain},
		{"duplicated keys in two headers", states("foo=1", "foo=2"), plain},
		{"all allowed characters in a key", states(lowerCase + "=1"), with(lowerCase + "=1")},
		{"all allowed characters in a tenant", states(lowerCase + "@a-z0-9_-*/=1"), with(lowerCase + "@a-z0-9_-*/=1")},
		{"all allowed characters in a value", states("a=" + allValues), with("a=" + allValues)},
		{"ows handling", states("foo=1 \t , \t bar=2, \t baz=3"), with("foo=1 \t , \t bar=2, \t baz=3")},
		{"ows at the ends", states(" foo=1 \t"), with("foo=1")},
		{"empty members", states("foo=1,,bar=2, ,"), with("foo=1,,bar=2, ,")},
		{"commas alone", states(" , , "), plain},
		{"key illegal characters: blank", states("foo =1"), plain},
		{"key illegal characters: upper case", states("FOO=1"), plain},
		{"key illegal characters: dot", states("foo.bar=1"), plain},
		{"key illegal beginning", states("@foo=1,bar=2"), plain},
		{"key missing", states("=1"), plain},
		{"member without a value", states("foo"), plain},
		{"member count limit", states(members(32)), with(members(32))},
		{"member count limit in two headers", states(members(16), "a=1"), with(members(16) + ",a=1")},
		{"member count over the limit", states(members(33)), plain},
		{"key length limit", states(strings.Repeat("z", 256) + "=1"), with(strings.Repeat("z", 256) + "=1")},
		{"key length over the limit", states(strings.Repeat("z", 257) + "=1"), plain},
		{"value length limit", states("z=" + strings.Repeat("v", 256)), with("z=" + strings.Repeat("v", 256))},
		{"value length over the limit", states("z=" + strings.Repeat("v", 257)), plain},
		{"value illegal characters: equals", states("foo=bar=baz"), plain},
		{"value illegal characters: none", states("foo=,bar=3"), plain},
		{"value illegal characters: control", states("foo=b\x01"), plain},
		{"value illegal characters: not ASCII", states("foo=ä"), plain},
	})
}
