// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"net/http"

	"sonde/agent/view"
)

// Code is what a program can tell errors apart by. Codes may be added, never renamed.
type Code string

// The codes, with the status that each is sent with.
const (
	CodeBadQuery Code = "bad_query" // 400, also for what is no query at all; view.ErrBadQuery
	CodeGone     Code = "gone"      // 410, view.ErrGone
	CodeCannot   Code = "cannot"    // 409, view.ErrCannotNow
	CodeNotFound Code = "not_found" // 404: no such path, or not with this method
	CodeBusy     Code = "busy"      // 503: too many connections, or too many large answers
	CodeTimeout  Code = "timeout"   // 504: the answer took too long to be made
	CodeInternal Code = "internal"  // 500
)

var statuses = map[Code]int{
	CodeBadQuery: http.StatusBadRequest, CodeGone: http.StatusGone, CodeCannot: http.StatusConflict, CodeNotFound: http.StatusNotFound,
	CodeBusy: http.StatusServiceUnavailable, CodeTimeout: http.StatusGatewayTimeout, CodeInternal: http.StatusInternalServerError,
}

// Error is an answer that says no. errors.Is finds the error of package view that its code stands for.
type Error struct {
	Text string `json:"error"`
	Code Code   `json:"code"`
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the error that a World in this process would have returned, nil where there is none.
func (e *Error) Unwrap() error {
	switch e.Code {
	case CodeBadQuery:
		return view.ErrBadQuery
	case CodeGone:
		return view.ErrGone
	case CodeCannot:
		return view.ErrCannotNow
	}
	return nil
}

// errorOf gives an error of the World its code.
func errorOf(err error) *Error {
	var ours *Error
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, view.ErrBadQuery):
		return &Error{err.Error(), CodeBadQuery}
	case errors.Is(err, view.ErrGone):
		return &Error{err.Error(), CodeGone}
	case errors.Is(err, view.ErrCannotNow):
		return &Error{err.Error(), CodeCannot}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{"the agent is too busy to answer in time: ask for fewer rows", CodeTimeout}
	}
	return &Error{err.Error(), CodeInternal}
}
