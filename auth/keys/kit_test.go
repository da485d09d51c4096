package keys_test

import (
	"net/http"
	"testing"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/keys"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"
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
	log     *testkit.Log
}

// newLiveIssuers reads the issuer's keys as keystest.NewLiveSources does.
func newLiveIssuers(t testing.TB, transport http.RoundTripper, tokens ...config.Issuer) liveIssuers {
	t.Helper()
	sources, issuers, log := keystest.NewLiveSources(t, transport, tokens...)
	return liveIssuers{sources, auth.NewVerifier(keystest.NewRing(t, authtest.Secret), issuers, authtest.AtNoon), issuers, log}
}

// expect holds the answer to a token against the one wanted.
func (l liveIssuers) expect(t testing.TB, token string, want *httperr.Error) {
	t.Helper()
	expectRefusal(t, l.Verifier, token, want)
}

func expectRefusal(t testing.TB, verifier *auth.Verifier, token string, want *httperr.Error) {
	t.Helper()
	_, got := verifier.Verify(t.Context(), token)
	authtest.ExpectRefusal(t, got, want)
}
