// SPDX-License-Identifier: Apache-2.0

// Package model holds the things that sonde reports: requests, flows, the processes behind them, and what was lost.
//
// It is a leaf: it imports the standard library alone, so that every stage of the pipeline and every exporter can share
// it without knowing each other. It does not know the kernel, output formats, or attribute names.
//
// Ownership: a pointer that the pipeline hands to a Sink is valid during that call. A Sink that keeps a value copies it
// (strings and *Process may be kept, they are never changed once published).
package model
