// SPDX-License-Identifier: Apache-2.0

// Package kernel finds what the running kernel allows, by trying and never by version: distributions backport features,
// and a security policy can refuse what a version promises. It chooses nothing (probes/hooks does) and loads none of
// sonde's own programs. cmd/sonde calls Detect once, before it plans the hooks, and prints the result in `doctor`.
package kernel
