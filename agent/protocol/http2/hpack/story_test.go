// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	reference "golang.org/x/net/http2/hpack"

	"sonde/agent/protocol"
)

// story is a list of blocks of one connection, with the fields that each means.
type story struct {
	name   string
	blocks [][]byte
	fields [][]reference.HeaderField
}

func stories(t testing.TB) (all []story) {
	t.Helper()
	root := os.Getenv("SONDE_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "..", "shared", "corpora")
	}
	files, _ := filepath.Glob(filepath.Join(root, "hpack", "*", "*.json"))
	if len(files) == 0 {
		t.Skipf("no stories in %s: set SONDE_CORPORA to the folder that holds hpack", filepath.Join(root, "hpack"))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var read struct {
			Cases []struct {
				Wire    string              `json:"wire"`
				Headers []map[string]string `json:"headers"`
			} `json:"cases"`
		}
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		s := story{name: filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)}
		for _, c := range read.Cases {
			var fields []reference.HeaderField
			for _, h := range c.Headers {
				for name, value := range h {
					fields = append(fields, reference.HeaderField{Name: name, Value: value})
				}
			}
			s.blocks = append(s.blocks, unhex(t, c.Wire))
			s.fields = append(s.fields, fields)
		}
		all = append(all, s)
	}
	return all
}

// count is what a comparison found.
type count struct{ fields, known, named, wrong int }

// compare decodes a block and counts what is said of its fields; a missing one is wrong.
func (c *count) compare(d *Decoder, p []byte, want []reference.HeaderField) {
	c.fields += len(want)
	var f Field
	for len(p) > 0 {
		n, s := d.Next(p, &f)
		if s == protocol.NeedMore || s == protocol.Invalid {
			break
		}
		p = p[n:]
		if s == protocol.Ignored {
			continue
		}
		if len(want) == 0 {
			c.wrong++
			continue
		}
		w := want[0]
		want = want[1:]
		switch {
		case !f.NameUnknown && string(f.Name) != w.Name || !f.ValueUnknown && string(f.Value) != w.Value:
			c.wrong++
		case !f.NameUnknown && !f.ValueUnknown:
			c.known++
		case !f.NameUnknown:
			c.named++
		}
	}
	c.wrong += len(want)
}

func TestStories(t *testing.T) {
	all := stories(t)
	var total count
	blocks := 0
	for _, s := range all {
		d := newDecoder()
		var c count
		for i, b := range s.blocks {
			c.compare(d, b, s.fields[i])
			blocks++
		}
		if c.wrong > 0 || c.known != c.fields {
			t.Errorf("%s: %d of %d fields are known, %d wrong", s.name, c.known, c.fields, c.wrong)
		}
		if !d.Whole() {
			t.Errorf("%s: the table is not whole", s.name)
		}
		total.fields, total.known = total.fields+c.fields, total.known+c.known
	}
	t.Logf("%d stories, %d blocks, %d of %d fields (%.2f %%)", len(all), blocks, total.known, total.fields, percent(total.known, total.fields))
}

// TestStoriesJoinedAtEveryBlock joins each story in front of each block but the first.
func TestStoriesJoinedAtEveryBlock(t *testing.T) {
	var total count
	joins, kinds := 0, map[string]*count{}
	for _, s := range stories(t) {
		kind := strings.Split(s.name, "/")[0]
		if kinds[kind] == nil {
			kinds[kind] = &count{}
		}
		for from := 1; from < len(s.blocks); from++ {
			d := newDecoder()
			d.Lose()
			joins++
			for i := from; i < len(s.blocks); i++ {
				kinds[kind].compare(d, s.blocks[i], s.fields[i])
			}
		}
	}
	for kind, c := range kinds {
		t.Logf("%s: %.2f %% of %d fields known, wrong: %d", kind, percent(c.known, c.fields), c.fields, c.wrong)
		total.fields, total.known, total.wrong = total.fields+c.fields, total.known+c.known, total.wrong+c.wrong
	}
	t.Logf("%d joins, %.2f %% of %d fields known, wrong: %d", joins, percent(total.known, total.fields), total.fields, total.wrong)
	if total.wrong > 0 {
		t.Errorf("%d fields are wrong", total.wrong)
	}
}

// TestStoriesWithLostBlocks loses every third block.
func TestStoriesWithLostBlocks(t *testing.T) {
	var c count
	for _, s := range stories(t) {
		d := newDecoder()
		for i, b := range s.blocks {
			if i%3 == 2 {
				d.Lose()
				continue
			}
			c.compare(d, b, s.fields[i])
		}
	}
	if c.wrong > 0 {
		t.Errorf("%d of %d fields are wrong", c.wrong, c.fields)
	}
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(max(1, of)) }
