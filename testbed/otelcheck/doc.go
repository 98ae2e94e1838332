// SPDX-License-Identifier: Apache-2.0

// Package otelcheck holds OTLP spans and metrics against the registry of OpenTelemetry's semantic conventions: every name that
// was sent exists there with the type, unit and instrument that it was sent with, or is sonde's own and says so.
//
// The registry is no part of this repository: it is otel/semconv/registry.json below the folder that $SONDE_CORPORA names,
// "../shared/corpora" beside the repository is the default. Tests of exporters and of the whole agent call it on everything
// that a receiver got; without the registry they skip. It knows what no registry says as well: which identifiers may not be
// zero, which statuses are never set.
package otelcheck

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Environment is the variable that names the folder of the corpora.
const Environment = "SONDE_CORPORA"

// Registry is what the conventions say. It is safe for concurrent use.
type Registry struct {
	attributes map[string]attribute
	metrics    map[string]metric
	spans      map[string]span
}

type attribute struct {
	Type       string      `json:"type"` // "string", "int", "enum", "template[string[]]", ...
	ValueType  string      `json:"value_type"`
	Members    []any       `json:"members"`
	Deprecated *deprecated `json:"deprecated"`
}

type deprecated struct {
	RenamedTo string `json:"renamed_to"`
}

type metric struct {
	Instrument string            `json:"instrument"`
	Unit       string            `json:"unit"`
	Attributes map[string]string `json:"attributes"` // key to requirement level
	Deprecated *deprecated       `json:"deprecated"`
}

type span struct {
	Attributes map[string]string `json:"attributes"`
}

const required = "required"

// Load reads a registry.
func Load(path string) (*Registry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the registry of semantic conventions: %w", err)
	}
	var f struct {
		Attributes map[string]attribute `json:"attributes"`
		Metrics    map[string]metric    `json:"metrics"`
		Spans      map[string]span      `json:"spans"`
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("read the registry of semantic conventions: %w", err)
	}
	if len(f.Attributes) == 0 || len(f.Metrics) == 0 || len(f.Spans) == 0 {
		return nil, fmt.Errorf("%s is no registry of semantic conventions: attributes, metrics or spans are missing", path)
	}
	return &Registry{attributes: f.Attributes, metrics: f.Metrics, spans: f.Spans}, nil
}

// Open returns the registry of the corpora, and skips the test where it is absent. The folder is looked for beside the
// repository, which is where the nearest go.mod above the test is.
func Open(t testing.TB) *Registry {
	t.Helper()
	root := os.Getenv(Environment)
	if root == "" {
		root = filepath.Join(repository(t), "..", "shared", "corpora")
	}
	path := filepath.Join(root, "otel", "semconv", "registry.json")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no %s: set %s to the folder that holds the corpora", path, Environment)
	}
	r, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for at := dir; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at
		}
	}
	return dir
}
