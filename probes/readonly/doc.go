// SPDX-License-Identifier: Apache-2.0

// Package readonly proves, instruction by instruction, that BPF programs only watch: no helper that changes, redirects,
// delays or drops anything, no store but to their own stack, maps and records, and no verdict but "pass". It follows the
// kind of value that each register holds along all paths, and reports what it cannot prove as if it were wrong.
//
// It relies on the kernel's verifier for the rest: a program that this package accepts and the verifier too is read-only;
// one that it accepts alone may still be nonsense. It loads nothing and needs no rights. Called by `sonde doctor` and by
// the test over every object that the binary carries.
package readonly
