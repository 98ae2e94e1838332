// SPDX-License-Identifier: Apache-2.0

package house

// rule is one rule of the tree. check returns a complaint for each place that breaks it.
type rule struct {
	name  string
	check func(*tree) []string
}

// rules lists them all. machineHosts are names that the machine at hand fetches its packages from.
func rules(machineHosts ...string) []rule {
	return []rule{
		{"imports point up", importsPointUp},
		{"packages are described", packagesAreDescribed},
		{"packages are named after things", packagesAreNamedAfterThings},
		{"exported names are documented", exportedNamesAreDocumented},
		{"nothing registers itself", nothingRegistersItself},
		{"functions are short", functionsAreShort},
		{"C functions are short", cFunctionsAreShort},
		{"files are short", filesAreShort},
		{"first lines name the licence", firstLinesNameTheLicence},
		{"BPF program names fit the kernel", programNamesFitTheKernel},
		{"unsafe stays in probes", unsafeStaysInProbes},
		{"processes start in tests", processesStartInTests},
		{"nothing tells of the machine", nothingTellsOfTheMachine(machineHosts...)},
	}
}
