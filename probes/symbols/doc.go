// SPDX-License-Identifier: Apache-2.0

// Package symbols looks into executables for what uprobes need: whether a program is Go, of which release, where its
// functions begin and return, and where its structs keep their fields. Stripped programs are no exception: all of this is
// read from tables that the program carries for its own runtime, so neither symbol table nor DWARF is needed.
//
// It reads files and nothing else: no BPF, no process. Memory is bounded whatever the size of the executable, and a file
// that lies about itself gives an error, never a panic. Called by probes.
package symbols
