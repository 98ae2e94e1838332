// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"fmt"
	"strings"
	"testing"
)

// play runs a script of what a parser tells a Dialogue and returns what is reported: a letter per request, small when it was
// answered, with its reason elsewhere.
//
// A letter asks; "!" answers the next or is an answer too many; "|" is the client's next turn; "?" loses requests, "~" answers;
// "x" is a mismatch.
func play(d *Dialogue[string], script string) {
	for _, c := range script {
		switch c {
		case '!':
			if d.Next() == nil {
				d.Extra()
			} else {
				d.Answered()
			}
		case '|':
			d.Turn()
		case '?':
			d.RequestsLost()
		case '~':
			d.AnswersLost()
		case 'x':
			d.Mismatch()
		default:
			d.Ask(string(c))
		}
	}
}

func TestDialogue(t *testing.T) {
	tests := []struct {
		name   string
		joined bool
		script string
		want   string
	}{
		{"in order", false, "AB!!|C!", "a b c"},
		{"a client that does not wait", false, "A|B!|C!!", "a b c"},
		{"no answer before the end", false, "AB!", "a B:end"},
		{"an answer nobody asked for", false, "A!!|B!", "a b"},
		{"a lost answer", false, "A!|BC~!|D!|E!", "a B:lost C:lost d e"},
		{"lost requests", false, "AB?!!!!|C!|", "a b c"},
		{"lost requests that are answered late", false, "A?!|B!!|C!|", "a B:lost c"},
		{"a lost answer of a client that does not wait", false, "A|B!~|C!!|D!", "a B:lost C:lost D:lost"},
		{"lost requests of a client that does not wait", false, "A|B!!|C?!!|D!", "a b c D:lost"},
		{"joined, in step", true, "|A!|B!|C!", "a b c"},
		{"joined at an answer", true, "!!|A!|", "a"},
		{"joined with an answer to come", true, "|A!!|B!|", "A:lost b"},
		{"joined by a client that does not wait", true, "|A!|BC!|D!!", "a B:lost C:lost D:lost"},
		{"joined and wrong again and again", true, "|A!!|B!!|C!!|D!", "A:lost B:lost C:lost D:lost"},
		{"joined at the end", true, "|A!", "a"},
		{"a mismatch", true, "|ABx!!|C!|", "A:lost B:lost c"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			total := 0
			d := NewDialogue(&total, func(r *string, reason string) {
				if reason == "" {
					got = append(got, strings.ToLower(*r))
				} else {
					got = append(got, *r+":"+reason)
				}
			})
			if test.joined {
				d.Joined()
			}
			play(&d, test.script)
			d.Close("end")
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("%s\nwant\n%s", s, test.want)
			}
			if total != 0 || d.Len() != 0 {
				t.Errorf("%d wait after the end", total)
			}
		})
	}
}

func TestDialogueIsBoundedAloneAndTogether(t *testing.T) {
	total, reasons := 0, map[string]int{}
	report := func(_ *string, reason string) { reasons[reason]++ }
	many := make([]Dialogue[string], MaxWaitingAll/MaxWaiting)
	for i := range many {
		many[i] = NewDialogue(&total, report)
		for range MaxWaiting + 10 {
			many[i].Ask("x")
		}
	}
	late := NewDialogue(&total, report)
	for range MaxWaiting {
		late.Ask("x")
	}
	if late.Len() != MaxWaitingEach || many[0].Len() != MaxWaiting || total != MaxWaitingAll+MaxWaitingEach {
		t.Errorf("%d and %d wait, %d together", many[0].Len(), late.Len(), total)
	}
	for range 10 { // the answers to those that were given up
		many[0].Extra()
	}
	if many[0].Next() == nil {
		t.Error("out of step behind requests that were given up")
	}
	for i := range many {
		many[i].Release()
	}
	late.Release()
	if total != 0 {
		t.Error(fmt.Sprint(total, " wait after release"))
	}
}
