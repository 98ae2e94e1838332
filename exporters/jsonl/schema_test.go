// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatalf("schema.json: %v", err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate fails the test unless line is one line, JSON, and what the schema says.
func validate(t testing.TB, s *jsonschema.Schema, line []byte) {
	t.Helper()
	if strings.ContainsAny(string(line), "\n\r") {
		t.Fatalf("more than one line: %q", line)
	}
	if !json.Valid(line) {
		t.Fatalf("not JSON: %q", line)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(line)))
	if err != nil {
		t.Fatalf("not JSON: %v: %q", err, line)
	}
	if err := s.Validate(value); err != nil {
		t.Fatalf("%v\n%s", err, line)
	}
}

func TestSchemaDescribesEveryFieldAndAllowsNoOther(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal([]byte(Schema()), &doc); err != nil {
		t.Fatal(err)
	}
	for name, def := range doc["$defs"].(map[string]any) {
		d := def.(map[string]any)
		if d["description"] == nil {
			t.Errorf("%s has no description", name)
		}
		properties, isObject := d["properties"].(map[string]any)
		if isObject && d["additionalProperties"] != false {
			t.Errorf("%s allows fields that are not described", name)
		}
		for field, p := range properties {
			_, described := p.(map[string]any)["description"]
			_, refers := p.(map[string]any)["$ref"]
			if !described && !refers {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
}

func TestSchemaRefusesWhatIsNotTheContract(t *testing.T) {
	s := compiledSchema(t)
	good := `{"type":"lost","time":"2026-01-02T03:04:05.000000006Z","where":"ring","what":"records","count":1}`
	validate(t, s, []byte(good))
	for name, line := range map[string]string{
		"another type":       strings.Replace(good, `"lost"`, `"found"`, 1),
		"an unknown field":   strings.Replace(good, `"count"`, `"number":1,"count"`, 1),
		"a negative count":   strings.Replace(good, `:1}`, `:-1}`, 1),
		"a missing count":    strings.Replace(good, `,"count":1`, ``, 1),
		"a time without ns":  strings.Replace(good, `.000000006Z`, `Z`, 1),
		"a local time":       strings.Replace(good, `06Z`, `06+01:00`, 1),
		"a day that is none": strings.Replace(good, `01-02T`, `02-30T`, 1),
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(value) == nil {
			t.Errorf("%s passes: %s", name, line)
		}
	}
}
