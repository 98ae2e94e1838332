// SPDX-License-Identifier: Apache-2.0

package model

// grpcStatus are the names of gRPC's status codes ("statuscodes" of gRPC's documentation).
var grpcStatus = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
	"DATA_LOSS", "UNAUTHENTICATED",
}

// GRPCUnimplemented is the status of a method that the server does not have.
const GRPCUnimplemented = 12

// GRPCStatus returns the name of a gRPC status code, "" for one that has none.
func GRPCStatus(code int) string {
	if code < 0 || code >= len(grpcStatus) {
		return ""
	}
	return grpcStatus[code]
}
