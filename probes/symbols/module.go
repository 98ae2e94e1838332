// SPDX-License-Identifier: Apache-2.0

package symbols

import (
	"errors"
	"go/version"
)

// Indexes of words in runtime.moduledata. The first 32 of them have not changed since 1.18.
const (
	moduleNames    = 1 // the names of functions: address, length, capacity
	moduleText     = 22
	moduleEText    = 23
	moduleTypes119 = 35
	moduleTypes    = 37 // since 1.20
	moduleWords    = 40
)

// findModule returns the words of runtime.firstmoduledata, which begins with the address of the table of functions.
func findModule(m *image, t *functionTable) ([]uint64, error) {
	matching := func(at uint64) []uint64 {
		w, err := m.words(at, moduleWords)
		if err != nil || w[0] != t.header || w[moduleNames] != t.names || w[moduleText] == 0 || w[moduleText] >= w[moduleEText] {
			return nil
		}
		return w
	}
	for _, r := range m.relocated {
		if r.value != t.header {
			continue
		}
		if w := matching(r.at); w != nil {
			return w, nil
		}
	}
	for _, name := range []string{".go.module", ".noptrdata", ".data", ".data.rel.ro"} {
		s := m.section(name)
		if s == nil {
			continue
		}
		var found []uint64
		err := m.scan(s.Addr, s.Size&^7, 0, func(at uint64, piece []byte) bool {
			for i := 0; i+8 <= len(piece) && found == nil; i += 8 {
				if m.order.Uint64(piece[i:]) == t.header {
					found = matching(at + uint64(i))
				}
			}
			return found == nil
		})
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, errors.New("runtime.firstmoduledata is not found")
}

// parseModule tells the table of functions where the text is, and finds the table of types.
func parseModule(m *image, release string, t *functionTable) (*typeTable, error) {
	w, err := findModule(m, t)
	if err != nil {
		return nil, err
	}
	t.text, t.etext = w[moduleText], w[moduleEText]
	i := moduleTypes
	if version.Compare(release, "go1.20") < 0 && version.IsValid(release) {
		i = moduleTypes119
	}
	types := &typeTable{m: m, types: w[i], end: w[i+1]}
	if types.end < types.types { // since 1.27 a length stands between the two
		types.end = w[i+2]
	}
	if types.types == 0 || types.end <= types.types || types.end-types.types > maxTypeBytes {
		return nil, errors.New("the table of types is not found")
	}
	return types, nil
}

const maxTypeBytes = 1 << 30
