// SPDX-License-Identifier: Apache-2.0

package probes

import "testing"

func TestASlotIsOneProcessAlone(t *testing.T) {
	a, b := takeSlot(), takeSlot()
	defer b.release()
	if a.number == b.number {
		t.Errorf("both have slot %d", a.number)
	}
	if slotIsFree(a.number) || slotIsFree(b.number) {
		t.Error("a slot that is held counts as free")
	}
	a.release()
	if !slotIsFree(a.number) {
		t.Error("a slot that was given back is not free")
	}
	if slotIsFree(b.number) {
		t.Error("giving one back freed the other")
	}
}
