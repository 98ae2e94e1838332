// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"testing"

	"sonde/agent/trace"
)

func TestWhatNothingIsAConsequenceOf(t *testing.T) {
	for name, text := range map[string]string{
		"a delivery is the consequence of what the broker sent": `
			server d A @200 pushed
			client D A pushed
			finish d -> root
			finish D -> d connection`,
		"even when the broker has done with it": `
			server d A @200 pushed over
			finish d -> root
			client D A pushed over
			finish D -> d connection`,
		"a message without an answer is the consequence of its publisher": `
			send A T1
			client p A over
			finish p -> root
			server P A @200 over
			finish P -> p connection`,
		"a delivery does not begin where a request in the other direction does": `
			client p A
			server d A @200 pushed over
			finish d -> root
			server P A @200
			finish P -> p connection
			finish p -> root`,
		"who publishes while it serves does so for what it serves": `
			server a A
			read A T1
			send B T1
			client p B over
			finish p -> a thread
			finish a -> root`,
		"who wrote last before a delivery is not its cause": `
			server a A
			read A T1
			send B T1
			client p B
			client d B pushed over
			finish d -> root
			finish p -> a thread
			finish a -> root`,
		"a broker's thread does not work for what it delivers": `
			read A 200:T1
			server d A @200 pushed
			read A 200:T1
			send B 200:T1
			client q B @200
			finish q -> root
			finish d -> root`,
		"nor for a message that is over": `
			read A 200:T1
			server P A @200 over
			finish P -> root
			send B 200:T1
			client q B @200
			finish q -> root`,
	} {
		t.Run(name, func(t *testing.T) { newScript(t, trace.Default()).play(text) })
	}
}
