// SPDX-License-Identifier: Apache-2.0

// Package hooks chooses which program of sonde goes where: a pure function from what the kernel allows (probes/kernel) and
// what the user asked for to a plan, which says for each probe why this hook and why not a better one. It loads and
// attaches nothing (probes does). cmd/sonde makes the plan, hands it to probes and prints it in `doctor`.
package hooks
