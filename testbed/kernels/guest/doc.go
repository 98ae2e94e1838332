// SPDX-License-Identifier: Apache-2.0

// Package guest is what testbed/kernels runs inside of a virtual machine: tests that load every program, force every flavour of
// hooks that the kernel has, send traffic whose every request is known, and hold what sonde says of it against that.
//
// The tests have the build tag vm and are for a machine that is theirs: they make network namespaces, bridges and NAT rules,
// and every socket of the machine is one of theirs. Names of tests are cells of the table that testbed/kernels prints: a
// top-level test is a column; TestFlavours/HOOKS+TC/COLUMN is a cell of a flavour. A test that skips says which feature the
// kernel lacks.
package guest
