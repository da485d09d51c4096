// Package hint adds hints to errors. The error says what failed. The hint says
// what would be right.
package hint

import "errors"

type hinted struct {
	error
	hint string
}

// Unwrap returns the error without the hint.
func (h *hinted) Unwrap() error { return h.error }

// With returns the error with a hint, which its text does not contain.
func With(err error, hint string) error { return &hinted{error: err, hint: hint} }

// Of returns the hint of an error, or "".
func Of(err error) string {
	if h, found := errors.AsType[*hinted](err); found {
		return h.hint
	}
	return ""
}
