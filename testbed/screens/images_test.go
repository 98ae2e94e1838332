// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// most is what a picture may weigh: README.md shows several.
const most = 60_000

func TestPicturesOfTheReadmeAreSmallAndTellNothingOfTheMachine(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shots {
		b, err := os.ReadFile("../../docs/images/" + s.name + ".svg")
		if errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is missing: make screens", s.name)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, string(b))
		if len(b) > most {
			t.Errorf("%s has %d bytes, %d are the limit", s.name, len(b), most)
		}
		if !strings.Contains(string(b), "node-1") || strings.Contains(string(b), host) {
			t.Errorf("%s does not show node-1, or shows %s", s.name, host)
		}
	}
}
