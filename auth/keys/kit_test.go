package keys_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/internal/httperr"
)

// This file holds what the tests of this package share. They put tokens to an
// auth.Verifier, as a gateway does.

// What the Verifier answers, as far as the keys make it.
var (
	refuseIssuer = &httperr.Error{
		Status: http.StatusServiceUnavailable, AuthResult: string(auth.ResultUnavailable),
		Detail: "The keys of the token's issuer cannot be read.",
	}
	refuseKey       = invalidToken("Token validation failed: signing key is not known.")
	refuseSignature = invalidToken("Token validation failed: signature is invalid.")
	refuseAlgorithm = invalidToken("Token validation failed: algorithm is not accepted.")
)

func invalidToken(detail string) *httperr.Error {
	return &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: `Bearer error="invalid_token"`,
		AuthResult: string(auth.ResultInvalidToken), Detail: detail,
	}
}

// liveIssuers is a pool of key sources with one issuer, and a verifier for it.
type liveIssuers struct {
	*keys.Sources
	*auth.Verifier
	issuers *keys.Issuers
	log     *bytes.Buffer
}

// newLiveIssuers reads the issuer's keys in the background. Its time is that of the
// bubble (see testing/synctest) in which it is made.
func newLiveIssuers(t testing.TB, transport http.RoundTripper, tokens ...config.Issuer) liveIssuers {
	t.Helper()
	log := new(bytes.Buffer)
	sources := keys.NewSources(keys.SourcesOptions{
		Log: slog.New(slog.NewTextHandler(log, nil)), Transport: transport, Now: time.Now,
	})
	t.Cleanup(sources.Close)
	issuers := sources.Issuers(tokens)
	sources.Activate(issuers)
	return liveIssuers{sources, auth.NewVerifier(newRing(t, authtest.Secret), issuers, authtest.AtNoon), issuers, log}
}

// expect holds the answer to a token against the one wanted.
func (l liveIssuers) expect(t testing.TB, token string, want *httperr.Error) {
	t.Helper()
	expectRefusal(t, l.Verifier, token, want)
}

func expectRefusal(t testing.TB, verifier *auth.Verifier, token string, want *httperr.Error) {
	t.Helper()
	_, got := verifier.Verify(t.Context(), token)
	if !sameAnswer(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// sameAnswer reports whether two refusals are the same to a client and to the
// metrics, whatever the log says beside.
func sameAnswer(got, want *httperr.Error) bool {
	if got == nil || want == nil {
		return got == want
	}
	return got.Detail == want.Detail && got.Status == want.Status && got.AuthResult == want.AuthResult && got.Challenge == want.Challenge
}

func newRing(t testing.TB, secret string, previous ...string) keys.Ring {
	t.Helper()
	old := make([][]byte, len(previous))
	for i, p := range previous {
		old[i] = []byte(p)
	}
	keys, err := keys.FromSecret("HS256", []byte(secret), old...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
