// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"testing"

	"sonde/agent/model"
)

func TestKeysAreThoseOfTheMetrics(t *testing.T) {
	for attr, key := range map[model.Attr]string{
		model.AttrMethod: KeyMethod, model.AttrScheme: KeyURLScheme, model.AttrStatus: KeyStatusCode,
		model.AttrErrorType: KeyErrorType, model.AttrVersion: KeyProtocolVersion, model.AttrServerAddress: KeyServerAddress,
		model.AttrServerPort: KeyServerPort,
	} {
		if want := OfAttr(attr).Key; key != want {
			t.Errorf("got %s, want %s", key, want)
		}
	}
}

func TestEveryGRPCStatusHasAName(t *testing.T) {
	for code, want := range map[int]string{-1: "", 0: "OK", 4: "DEADLINE_EXCEEDED", 16: "UNAUTHENTICATED", 17: ""} {
		if got := RPCStatus(code); got != want {
			t.Errorf("%d: got %q, want %q", code, got, want)
		}
	}
}
