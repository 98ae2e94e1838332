// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	"github.com/rivo/uniseg"
)

// Wrap breaks text into lines of at most width cells, between words where that is possible. Line breaks of text are kept.
func Wrap(text string, width int) []string {
	if text == "" || width <= 0 {
		return nil
	}
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		lines = append(lines, wrapOne(paragraph, width)...)
	}
	return lines
}

func wrapOne(text string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(text) {
		for Width(word) > width { // a path that fits nowhere
			if used > 0 {
				lines, line, used = append(lines, line), "", 0
			}
			var head string
			head, word = splitAt(word, width)
			lines = append(lines, head)
		}
		w := Width(word)
		switch {
		case word == "": // all of it was cut off
		case used == 0:
			line, used = word, w
		case used+1+w <= width:
			line, used = line+" "+word, used+1+w
		default:
			lines, line, used = append(lines, line), word, w
		}
	}
	if line == "" && len(lines) > 0 {
		return lines
	}
	return append(lines, line)
}

// splitAt cuts s behind at most width cells, but takes one character at least.
func splitAt(s string, width int) (head, rest string) {
	rest, used := s, 0
	for rest != "" {
		cluster, after, _, _ := uniseg.FirstGraphemeClusterInString(rest, -1)
		w := Width(cluster)
		if used > 0 && used+w > width {
			break
		}
		used, rest = used+w, after
	}
	return s[:len(s)-len(rest)], rest
}
