// Package hint adds advice to errors: the error says what failed, and the hint,
// apart from it, what would be right.
package hint

import "errors"

type hinted struct {
	error
	hint string
}

// Unwrap returns the error without the advice.
func (h *hinted) Unwrap() error { return h.error }

// With returns the error with advice, which its text does not hold.
func With(err error, hint string) error { return &hinted{error: err, hint: hint} }

// Of returns the advice that an error carries, "" when it carries none.
func Of(err error) string {
	if h, found := errors.AsType[*hinted](err); found {
		return h.hint
	}
	return ""
}
