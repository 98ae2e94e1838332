// SPDX-License-Identifier: Apache-2.0

// Package e2e proves sonde from outside: real servers, real clients, the real binary on this machine's kernel, exact counts.
//
// The tests need root and the build tag kernel:
//
//	go test -tags kernel ./testbed/e2e/
//
// They build cmd/sonde, or take the binary that the environment variable SONDE names. Without root they skip and say
// so; a program that is missing (TEST_DEPS in the Makefile has them all) fails them. No test
// knows how sonde works inside: what it prints and its exit code are all that counts.
package e2e
