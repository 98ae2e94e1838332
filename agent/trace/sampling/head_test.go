// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"sonde/agent/model"
)

func head(t *testing.T, name, arg string) *Head {
	t.Helper()
	h, err := New(name, arg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHeadFollowsItsParentWhenItIsToldTo(t *testing.T) {
	low, high := model.TraceID{15: 2}, model.TraceID{8: 0xff}
	yes, no := &model.SpanContext{Flags: model.FlagSampled}, &model.SpanContext{}
	open := &model.SpanContext{Deferred: true}
	for _, c := range []struct {
		name, arg string
		trace     model.TraceID
		parent    *model.SpanContext
		want      bool
	}{
		{"", "", high, nil, true},
		{"", "", high, yes, true},
		{"", "", high, no, false},
		{"", "", high, open, true},
		{"always_on", "", high, no, true},
		{"always_off", "", high, yes, false},
		{"traceidratio", "0.5", low, no, true},
		{"traceidratio", "0.5", high, yes, false},
		{"traceidratio", "", high, no, true},
		{"traceidratio", "0", model.TraceID{0: 1}, yes, false},
		{"traceidratio", "1", model.TraceID{8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff}, nil, true},
		{"parentbased_always_on", "", high, nil, true},
		{"parentbased_always_on", "", high, no, false},
		{"parentbased_always_off", "", low, nil, false},
		{"parentbased_always_off", "", low, yes, true},
		{"parentbased_always_off", "", low, open, false},
		{"parentbased_traceidratio", "0.5", low, nil, true},
		{"parentbased_traceidratio", "0.5", high, nil, false},
		{"parentbased_traceidratio", "0.5", high, yes, true},
		{"parentbased_traceidratio", "0.5", low, no, false},
		{"parentbased_traceidratio", "0.5", low, open, true},
		{"parentbased_traceidratio", "0.5", high, open, false},
	} {
		if got := head(t, c.name, c.arg).Sample(&model.SpanContext{TraceID: c.trace}, c.parent); got != c.want {
			t.Errorf("%s %s: trace %s under %+v is %v", c.name, c.arg, c.trace, c.parent, got)
		}
	}
}

func TestDeniedIsWhatARemoteParentDecidedAndIsHonoured(t *testing.T) {
	yes, no := &model.SpanContext{Flags: model.FlagSampled}, &model.SpanContext{}
	for _, c := range []struct {
		name   string
		remote *model.SpanContext
		want   bool
	}{
		{"parentbased_always_on", no, true},
		{"parentbased_traceidratio", no, true},
		{"parentbased_always_on", yes, false},
		{"parentbased_always_on", nil, false},
		{"parentbased_always_on", &model.SpanContext{Deferred: true}, false},
		{"always_on", no, false},
		{"traceidratio", no, false},
	} {
		if got := head(t, c.name, "").Denies(c.remote); got != c.want {
			t.Errorf("%s under %+v: %v", c.name, c.remote, got)
		}
	}
}

func TestRatioDecidesAsTheGoSDKDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, share := range []float64{0, 1e-9, 0.01, 0.1, 1.0 / 3, 0.5, 0.999999, 1} {
		ours := head(t, "traceidratio", strconv.FormatFloat(share, 'g', -1, 64))
		theirs := sdk.TraceIDRatioBased(share)
		sampled := 0
		for range 100_000 {
			var id model.TraceID
			binary.BigEndian.PutUint64(id[:], random.Uint64())
			binary.BigEndian.PutUint64(id[8:], random.Uint64())
			want := theirs.ShouldSample(sdk.SamplingParameters{
				ParentContext: context.Background(), TraceID: trace.TraceID(id),
			}).Decision == sdk.RecordAndSample
			if got := ours.Sample(&model.SpanContext{TraceID: id}, nil); got != want {
				t.Fatalf("share %v, trace %s: %v, the SDK says %v", share, id, got, want)
			}
			if want {
				sampled++
			}
		}
		t.Logf("share %v: %d of 100000", share, sampled)
	}
}

func TestSamplersThatAreNotKnownAreRefusedWithTheChoices(t *testing.T) {
	const choices = "choose from always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio"
	for _, c := range [][3]string{
		{"jaeger_remote", "", choices},
		{"parentbased_jaeger_remote", "", choices},
		{"xray", "", choices},
		{"ALWAYS_ON", "", choices},
		{"traceidratio", "-0.1", "from 0 to 1"},
		{"traceidratio", "1.5", "from 0 to 1"},
		{"traceidratio", "NaN", "from 0 to 1"},
		{"parentbased_traceidratio", "half", "from 0 to 1"},
	} {
		if _, err := New(c[0], c[1]); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s %s: %v, want %q in it", c[0], c[1], err, c[2])
		}
	}
}
