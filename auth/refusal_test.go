package auth

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"time"
)

// detailOf reads the sentence out of an error's body.
func detailOf(t testing.TB, body []byte) string {
	t.Helper()
	var answer struct {
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("read %q: %v", body, err)
	}
	return answer.Detail
}

func TestRefusalWriteTo(t *testing.T) {
	recorder := httptest.NewRecorder()
	recorder.Header().Set("X-Request-ID", "r-1")
	refusal := &Refusal{
		Status: 429, Detail: "Slow down.", Allow: "GET, HEAD", Challenge: "Bearer",
		RetryAfter: 1500 * time.Millisecond, Cause: errors.New("private"),
	}
	refusal.WriteTo(recorder)
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

// The shared refusals are handed to every request: a cause must not stick.
func TestRefusalBecause(t *testing.T) {
	cause := errors.New("connection refused")
	refusal := refuseUnavailable.Because(cause)
	if refuseUnavailable.Cause != nil {
		t.Error("the shared refusal has a cause")
	}
	if !errors.Is(refusal, cause) {
		t.Error("the cause cannot be found")
	}
	if got, want := refusal.Error(), "The user database cannot be reached. connection refused"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
