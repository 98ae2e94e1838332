// SPDX-License-Identifier: Apache-2.0

package house

import (
	"path"
	"strings"
)

// importRule says what the packages of a folder may import from this module. A pattern that ends in "/..." matches the
// folder and everything below it.
type importRule struct {
	folder string
	may    []string
}

// importRules is the direction of the tree: data flows from probes to exporters, and imports point the other way. The
// longest folder wins, and a folder that no line matches must not exist: adding one is a decision, made here.
var importRules = []importRule{
	{"probes", []string{"probes/..."}},
	{"probes/bpf/test", []string{"agent/protocol", "agent/protocol/..."}}, // tests alone: both sides must agree
	{"probes/event", nil},
	{"probes/kernel", nil},
	{"probes/symbols", nil},
	{"probes/diag", nil},
	{"probes/readonly", nil},
	{"probes/hooks", []string{"probes/kernel"}},

	{"agent", []string{"agent/..."}},
	{"agent/model", nil},
	{"agent/stream", nil},
	{"agent/units", []string{"agent/model"}},
	{"agent/view", nil},
	{"agent/latency", nil},
	{"agent/filter", []string{"agent/model"}},
	{"agent/protocol/...", []string{"agent/model", "agent/protocol"}},
	{"agent/protocol/postgresql", []string{"agent/model", "agent/protocol", "agent/protocol/sql"}},
	{"agent/protocol/mysql", []string{"agent/model", "agent/protocol", "agent/protocol/sql"}},
	{"agent/protocol/http2", []string{"agent/model", "agent/protocol", "agent/protocol/http2/hpack"}},
	{"agent/protocol/quic", []string{"agent/model", "agent/protocol", "agent/protocol/tls"}}, // the same hello messages
	{"agent/protocol/all", []string{"agent/model", "agent/protocol/..."}},                    // the list of parsers
	{"agent/conn", []string{"agent/model", "agent/stream", "agent/protocol/...", "probes/event"}},
	{"agent/source/...", []string{"agent/source", "probes/event"}},
	// A recording holds who processes are, and what parsers say of the payload.
	{"agent/source/recording", []string{"agent/source", "agent/model", "agent/protocol", "probes/event"}},
	{"agent/source/live", []string{"agent/source", "probes/event", "probes"}},
	{"agent/identity/...", []string{"agent/identity", "agent/model"}},
	{"agent/trace/...", []string{"agent/model", "agent/protocol", "agent/trace/..."}},
	{"agent/route", []string{"agent/model"}},
	{"agent/aggregate", []string{"agent/model"}},
	{"agent/store", []string{"agent/model", "agent/filter", "agent/latency", "agent/units", "agent/view"}},
	{"agent/pipeline", []string{
		"agent/model", "agent/source", "agent/conn", "agent/identity/...", "agent/aggregate", "agent/store",
	}},

	{"exporters/...", []string{"agent/model", "exporters/semconv"}},
	{"exporters/text", []string{"agent/model", "agent/units", "exporters/semconv"}},
	{"exporters/summary", []string{"agent/latency", "agent/model", "agent/units", "exporters/semconv"}},
	{"exporters/socket", []string{"agent/view"}},                                          // what viewers ask and get, and nothing else
	{"exporters/otlp", []string{"agent/model", "exporters/semconv", "exporters/batch"}},   // one queue of spans
	{"exporters/jaeger", []string{"agent/model", "exporters/semconv", "exporters/batch"}}, // for both
	{"tui/...", []string{"agent/filter", "agent/units", "agent/view", "tui/..."}},
	{"tui/render", []string{"agent/units"}},
	{"tui/page", []string{"agent/units", "agent/view", "tui/render"}},
	{"cmd/sonde", []string{"agent/...", "cmd/...", "exporters/...", "probes/...", "tui/..."}},
	{"deploy/grafana", nil},
	{"deploy/prometheus", []string{"agent/model", "exporters/semconv"}}, // tests alone: rules ask for metrics that exist
	{"testbed/...", []string{"..."}},
}

// importsPointUp holds every import of this module against the table. Tests may import the testbed as well.
func importsPointUp(t *tree) []string {
	var complaints []string
	unlisted := map[string]bool{}
	for _, f := range t.files {
		if !f.isGo() {
			continue
		}
		rule := ruleFor(f.folder())
		if rule == nil {
			if !unlisted[f.folder()] {
				complaints = append(complaints, f.path+":1: folder "+f.folder()+" has no line in importRules")
			}
			unlisted[f.folder()] = true
			continue
		}
		complaints = append(complaints, t.badImports(f, rule)...)
	}
	return complaints
}

func (t *tree) badImports(f *file, rule *importRule) []string {
	var complaints []string
	for _, spec := range f.syntax.Imports {
		target, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), t.module+"/")
		if !ours || allowed(target, rule.may) {
			continue
		}
		if f.isGoTest() && (target == f.folder() || allowed(target, []string{"testbed/..."})) {
			continue
		}
		complaints = append(complaints, t.complain(spec.Pos(), "%s may not import %s", f.folder(), target))
	}
	return complaints
}

func ruleFor(folder string) *importRule {
	var best *importRule
	for i := range importRules {
		r := &importRules[i]
		if matches(folder, r.folder) && (best == nil || len(trimDots(r.folder)) > len(trimDots(best.folder))) {
			best = r
		}
	}
	return best
}

func allowed(target string, patterns []string) bool {
	for _, p := range patterns {
		if matches(target, p) {
			return true
		}
	}
	return false
}

func matches(folder, pattern string) bool {
	below := trimDots(pattern)
	if below == pattern {
		return folder == pattern
	}
	return below == "" || folder == below || strings.HasPrefix(folder, below+"/")
}

func trimDots(pattern string) string {
	if path.Base(pattern) != "..." {
		return pattern
	}
	return strings.TrimSuffix(strings.TrimSuffix(pattern, "..."), "/")
}
