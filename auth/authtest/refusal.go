package authtest

import (
	"testing"

	"gatehouse/internal/httperr"
)

// SameRefusal reports whether two refusals are the same to a client and to the
// metrics, whatever is logged.
func SameRefusal(got, want *httperr.Error) bool {
	if got == nil || want == nil {
		return got == want
	}
	return got.Detail == want.Detail && got.Status == want.Status && got.AuthResult == want.AuthResult && got.Challenge == want.Challenge
}

// ExpectRefusal compares the refusal of a token with the one wanted.
func ExpectRefusal(t testing.TB, got, want *httperr.Error) {
	t.Helper()
	if !SameRefusal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
