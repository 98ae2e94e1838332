// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Golden is the directory of what the last update saw: testbed/kernels/testdata.
type Golden string

// artifactColumns are the columns that answer for an artifact, by its name.
var artifactColumns = map[string]string{"doctor.json": "doctor", "complexity.txt": "programs"}

// tolerance is how much a number of the verifier may grow or shrink before somebody has to look: compilers and kernels of one
// series move them a little.
const tolerance = 0.10

// Compare holds the artifacts of a run against the committed ones; where they differ, the cell that gave them turns red.
func (g Golden) Compare(r *Result) error {
	for artifact, column := range artifactColumns {
		got, ran := r.Artifacts[artifact]
		if !ran {
			continue
		}
		want, err := os.ReadFile(g.file(r, artifact))
		if errors.Is(err, fs.ErrNotExist) {
			want, err = nil, nil
		}
		if err != nil {
			return err
		}
		allowed := 0.0
		if column == "programs" {
			allowed = tolerance
		}
		if d := differences(string(want), got, allowed); len(d) > 0 {
			r.Rows[""][column] = Cell{Red, "not as committed (UPDATE=1 writes it anew):\n" + strings.Join(d, "\n") + "\n"}
		}
	}
	return nil
}

// Update writes the artifacts and the cells of a run in which nothing is red.
func (g Golden) Update(r *Result) error {
	if r.Fails() {
		return fmt.Errorf("%s: something is red, so nothing is written", r.Kernel.Name)
	}
	for artifact := range artifactColumns {
		if text, ran := r.Artifacts[artifact]; ran {
			if err := os.WriteFile(g.file(r, artifact), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	if r.Partial {
		return nil
	}
	return g.remember(r)
}

// file is "doctor-5.10.json".
func (g Golden) file(r *Result, artifact string) string {
	stem, ext, _ := strings.Cut(artifact, ".")
	return filepath.Join(string(g), stem+"-"+r.Kernel.Name+"."+ext)
}

// differences compares texts line by line, each line found by its words that are no numbers. Numbers may differ by a part.
func differences(want, got string, allowed float64) []string {
	if allowed == 0 {
		return lineDifferences(strings.Split(want, "\n"), strings.Split(got, "\n"))
	}
	var all []string
	old, now := byWords(want), byWords(got)
	for words, line := range now {
		was, known := old[words]
		if !known {
			all = append(all, "+ "+line)
		} else if !near(was, line, allowed) {
			all = append(all, "- "+was, "+ "+line)
		}
	}
	for words, line := range old {
		if _, still := now[words]; !still {
			all = append(all, "- "+line)
		}
	}
	return all
}

// lineDifferences shows the lines of one text that the other one does not have at all, or their order when there is none.
func lineDifferences(want, got []string) []string {
	if slices.Equal(want, got) {
		return nil
	}
	var all []string
	for _, line := range want {
		if !slices.Contains(got, line) {
			all = append(all, "- "+line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			all = append(all, "+ "+line)
		}
	}
	if len(all) == 0 {
		all = []string{"the same lines in another order or number"}
	}
	return all
}

func byWords(text string) map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		var words []string
		for w := range strings.FieldsSeq(line) {
			if _, err := strconv.Atoi(w); err != nil {
				words = append(words, w)
			}
		}
		lines[strings.Join(words, " ")] = line
	}
	return lines
}

// near reports whether the numbers of two lines with the same words are near each other.
func near(a, b string, allowed float64) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	for i := range x {
		n, err := strconv.ParseFloat(x[i], 64)
		if err != nil {
			continue
		}
		m, _ := strconv.ParseFloat(y[i], 64)
		if m < n*(1-allowed) || m > n*(1+allowed) {
			return false
		}
	}
	return true
}
