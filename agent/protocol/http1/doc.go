// SPDX-License-Identifier: Apache-2.0

// Package http1 follows HTTP/1.0 and 1.1 on a connection (RFC 9110, RFC 9112): bytes in, requests out.
package http1
