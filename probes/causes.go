// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"sonde/probes/event"
)

// SetGoProgram has the records of this process name goroutines. The offsets are those of the program's release: with wrong
// ones the records name goroutines that are none. An error means that there is no room (8192 processes). Safe for
// concurrent use.
func (s *Set) SetGoProgram(tgid uint32, o event.GoOffsets) error {
	m := s.maps["go_programs"]
	if m == nil {
		return errors.New("tell the goroutines of a process apart: no program that does is loaded")
	}
	if err := m.Put(tgid, &o); err != nil {
		return fmt.Errorf("tell the goroutines of process %d apart: %w", tgid, err)
	}
	return nil
}

// ForgetGoProgram undoes SetGoProgram: the process has gone, or runs another program. It is no error when it was not set.
// Safe for concurrent use.
func (s *Set) ForgetGoProgram(tgid uint32) error {
	m := s.maps["go_programs"]
	if m == nil {
		return nil
	}
	if err := m.Delete(tgid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("forget the goroutines of process %d: %w", tgid, err)
	}
	return nil
}
