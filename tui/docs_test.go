// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// keysAsMarkdown is the table of keys as docs/top.md has it.
func keysAsMarkdown() string {
	var b strings.Builder
	b.WriteString("| keys | |\n|---|---|\n")
	for _, k := range Keys() {
		names := make([]string, len(k.Keys))
		for i, name := range k.Keys {
			names[i] = "`" + name + "`"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(names, " "), k.Help)
	}
	return b.String()
}

func TestGuideHasTheTableOfKeys(t *testing.T) {
	guide, err := os.ReadFile("../docs/top.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := keysAsMarkdown(); !strings.Contains(string(guide), want) {
		t.Errorf("docs/top.md has another table of keys than tui/keys.go; it should be\n%s", want)
	}
}
