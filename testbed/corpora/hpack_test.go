// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"sonde/agent/protocol"
	"sonde/agent/protocol/http2/hpack"
)

// headerBlock is a case of a story: what was sent, and the fields that it means.
type headerBlock struct {
	Wire   string              `json:"wire"`
	Fields []map[string]string `json:"headers"`
}

// TestHPACKStories decodes the stories from their first block on, where all fields must be right, and from every other block
// on, where none may be wrong and the score is how many are known.
func TestHPACKStories(t *testing.T) {
	files, err := filepath.Glob(Path(t, "hpack") + "/*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	whole := Score{Corpus: "hpack", Protocol: "fields"}
	joined := Score{Corpus: "hpack", Protocol: "fields, joined at every block"}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var story struct {
			Cases []headerBlock `json:"cases"`
		}
		if err := json.Unmarshal(text, &story); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for from := range story.Cases {
			var d hpack.Decoder
			score := &joined
			if d.Reset(&hpack.Scratch{}); from == 0 {
				score = &whole
			} else {
				d.Lose()
			}
			for _, c := range story.Cases[from:] {
				if !c.decode(t, &d, score) {
					t.Fatalf("%s, from block %d: %s has a wrong field", file, from, c.Wire)
				}
			}
		}
	}
	Report(t, whole, 100)
	Report(t, joined, 90)
}

// decode returns false when a field is wrong or missing.
func (c *headerBlock) decode(t *testing.T, d *hpack.Decoder, score *Score) bool {
	p, err := hex.DecodeString(c.Wire)
	if err != nil {
		t.Fatal(err)
	}
	var f hpack.Field
	want := c.Fields
	for len(p) > 0 {
		n, state := d.Next(p, &f)
		if p = p[n:]; state == protocol.Ignored {
			continue
		}
		if state != protocol.Done || len(want) == 0 {
			return false
		}
		score.Compared++
		for name, value := range want[0] {
			if !f.NameUnknown && string(f.Name) != name || !f.ValueUnknown && string(f.Value) != value {
				return false
			}
		}
		if want = want[1:]; !f.NameUnknown && !f.ValueUnknown {
			score.Equal++
		}
	}
	return len(want) == 0
}
