// SPDX-License-Identifier: Apache-2.0

package jsonl

import _ "embed" // schema.json is part of the binary, so that a user can hold output against the version that wrote it

//go:embed schema.json
var schema string

// Schema returns the JSON Schema (draft 2020-12) of one line.
func Schema() string { return schema }
