// SPDX-License-Identifier: Apache-2.0

// Package diag lists the sockets that exist now, in every network namespace of the machine: what the hooks cannot tell about
// connections older than sonde. It follows nothing over time and knows no protocol above TCP and UDP. Asking for a socket
// gives it its cookie, by which probes joins it to the first bytes that it sends or receives. Called by probes and doctor.
package diag
