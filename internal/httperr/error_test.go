package httperr

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"
)

func TestErrorWriteTo(t *testing.T) {
	recorder := httptest.NewRecorder()
	recorder.Header().Set("X-Request-ID", "r-1")
	err := &Error{
		Status: 429, Detail: "Slow down.", Allow: "GET, HEAD", Challenge: "Bearer",
		RetryAfter: 1500 * time.Millisecond, Cause: errors.New("private"),
	}
	err.WriteTo(recorder)
	if got, want := recorder.Body.String(), `{"detail":"Slow down.","request_id":"r-1"}`; got != want {
		t.Errorf("body = %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"Allow": "GET, HEAD", "Www-Authenticate": "Bearer", "Retry-After": "2", "Content-Length": "42",
		"X-Content-Type-Options": "nosniff",
	} {
		if got := recorder.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

// The shared errors are handed to every request: a cause must not stick.
func TestErrorBecause(t *testing.T) {
	cause := errors.New("connection refused")
	shared := &Error{Status: 503, Detail: "The user database cannot be reached."}
	err := shared.Because(cause)
	if shared.Cause != nil {
		t.Error("the shared error has a cause")
	}
	if !errors.Is(err, cause) {
		t.Error("the cause cannot be found")
	}
	if got, want := err.Error(), "The user database cannot be reached. connection refused"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
