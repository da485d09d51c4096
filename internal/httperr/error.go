// Package httperr is every error that the gateway itself answers with: a public
// sentence for the client and, apart from it, a private cause for the log, and
// how both become HTTP. Who refuses a request returns an *Error; common.go has
// those that more than one package returns.
package httperr

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Error is a request that the gateway answers with an error. Shared ones are
// never written to; Because makes a copy.
type Error struct {
	Status     int           // 4xx or 5xx
	Detail     string        // the sentence in the body; fixed, never a library's text
	Challenge  string        // WWW-Authenticate (RFC 6750 section 3), "" for none
	Allow      string        // Allow (RFC 9110 section 10.2.1), "" for none
	RetryAfter time.Duration // Retry-After, rounded up to seconds; 0 for none
	Fields     []FieldError  // what the body lists instead of Detail, for a 422
	AuthResult string        // an auth.Result, "" when the Gate did not refuse
	Cause      error         // for the log only; nil when the detail says it all
}

// Error returns the detail and the cause, for logs. It is not what clients see.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Detail
	}
	return e.Detail + " " + e.Cause.Error()
}

// Unwrap returns the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// Because returns the same error with a private cause.
func (e *Error) Because(cause error) *Error {
	with := *e
	with.Cause = cause
	return &with
}

// FieldError is one thing that is wrong with a request body, as pydantic words
// it. It never repeats the input, which may be a password.
type FieldError struct {
	Type string `json:"type"`
	Loc  []any  `json:"loc"` // "body", then a field's name or a byte offset
	Msg  string `json:"msg"`
}

// body is the JSON object of every error that the gateway makes.
type body struct {
	Detail    any    `json:"detail"` // a sentence; for 422 a list of FieldErrors
	RequestID string `json:"request_id,omitempty"`
}

// WriteTo answers with the error. The request id is taken from the X-Request-ID
// that the response already carries.
func (e *Error) WriteTo(w http.ResponseWriter) {
	header := w.Header()
	if e.Challenge != "" {
		header.Set("WWW-Authenticate", e.Challenge)
	}
	if e.Allow != "" {
		header.Set("Allow", e.Allow)
	}
	if e.RetryAfter > 0 {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		header.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	answer := body{Detail: e.Detail, RequestID: header.Get("X-Request-ID")}
	if len(e.Fields) > 0 {
		answer.Detail = e.Fields
	}
	WriteJSON(w, e.Status, answer)
}

// WriteJSON answers with one JSON value. An error of the client's connection
// is nobody's to handle here.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // only a programming error gets here: values are our own
		status, body = http.StatusInternalServerError, []byte(`{"detail":"Internal Server Error"}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
