// SPDX-License-Identifier: Apache-2.0

// Package kernels runs sonde on kernels that this machine does not have: Debian's, in virtual machines that QEMU emulates.
//
//	make test-kernels                    every kernel of the catalogue
//	make test-kernels KERNEL=5.10,6.1    some of them
//	make test-kernels UPDATE=1           and write what the runs told: testdata/ and docs/kernel-support.md
//
// It fetches the kernel packages with apt (a private state; the machine's own sources stay as they are), lays an initramfs of
// modules and a small init (testbed/kernels/boot) and a payload (sonde and the test binary of testbed/kernels/guest), boots that
// under software emulation and makes a table of what the tests said. Nothing in here measures time: an emulated kernel is tens of
// times slower than a real one, and its clocks are.
//
// What the tests look at is in testbed/kernels/guest. Who calls it: testbed/kernels/run, for `make test-kernels`.
package kernels
