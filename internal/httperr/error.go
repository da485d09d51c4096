// Package httperr has the errors with which the gateway itself answers
// requests. Each has a public sentence for the client and, separately, a
// private cause for the log. Code that refuses a request returns an *Error.
// common.go has the errors that more than one package returns.
package httperr

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Error is an error with which the gateway answers a request. A shared Error is
// never changed; Because makes a copy.
type Error struct {
	Status     int           // 4xx or 5xx
	Detail     string        // the sentence in the body; fixed, never a library's text
	Challenge  string        // WWW-Authenticate (RFC 6750 section 3), or ""
	Allow      string        // Allow (RFC 9110 section 10.2.1), or ""
	RetryAfter time.Duration // Retry-After, rounded up to seconds; 0 means none
	Fields     []FieldError  // the list in the body instead of Detail, for a 422
	AuthResult string        // an auth.Result, "" when the Gate did not refuse
	Reason     Reason        // of a 5xx; "" for a 4xx
	Cause      error         // for the log only; nil when the detail is enough
}

// Error returns the detail and the cause, for logs. Clients never see it.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Detail
	}
	return e.Detail + " " + e.Cause.Error()
}

// Unwrap returns the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// Because returns a copy of the error with a private cause.
func (e *Error) Because(cause error) *Error {
	with := *e
	with.Cause = cause
	return &with
}

// FieldError is one problem of a request body, in pydantic's words. It never
// repeats the input, which may be a password.
type FieldError struct {
	Type string `json:"type"`
	Loc  []any  `json:"loc"` // "body", then a field's name or a byte offset
	Msg  string `json:"msg"`
}

// body is the JSON object of every error of the gateway.
type body struct {
	Detail    any    `json:"detail"` // a sentence; for 422 a list of FieldErrors
	RequestID string `json:"request_id,omitempty"`
}

// Recorder is implemented by a ResponseWriter that must know with which error a
// request was answered.
type Recorder interface{ RecordError(e *Error) }

// WriteTo writes the error as the response. The request id comes from the
// response's X-Request-ID.
func (e *Error) WriteTo(w http.ResponseWriter) {
	if recorder, ok := w.(Recorder); ok {
		recorder.RecordError(e)
	}
	header := w.Header()
	e.SetHeaders(header)
	answer := body{Detail: e.Detail, RequestID: header.Get("X-Request-ID")}
	if len(e.Fields) > 0 {
		answer.Detail = e.Fields
	}
	WriteJSON(w, e.Status, answer)
}

// SetHeaders sets the headers that belong to the error, besides those of its body.
func (e *Error) SetHeaders(header http.Header) {
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
}

// WriteJSON answers with one JSON value. It ignores errors of the client's
// connection.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // only a programming error: the values are our own
		status, body = http.StatusInternalServerError, []byte(`{"detail":"Internal Server Error"}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
