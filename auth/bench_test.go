package auth

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/internal/testkit"
)

// oneUser is in memory, so that only the Gate is measured.
type oneUser UserState

func (u oneUser) UserState(context.Context, uuid.UUID) (UserState, error) { return UserState(u), nil }

// benchmarkTokens runs with a token of ours and with one of another issuer.
func benchmarkTokens(b *testing.B, run func(b *testing.B, verifier *Verifier, token string)) {
	key := authtest.NewNamedKey(b, "a")
	verifier := verifierOf(b, authtest.Listed(testkit.TempFile(b, "keys", authtest.JWKS(b, key))))
	b.Run("HS256", func(b *testing.B) { run(b, verifier, authtest.Signed(b, authtest.Claims(nil))) })
	b.Run("ES256", func(b *testing.B) { run(b, verifier, key.Token(b)) })
}

// forgetToken makes the token unknown.
func forgetToken(v *verifiedTokens, token string) { v.drop(token, v.entries[token]) }

// BenchmarkVerifyHit verifies a remembered token.
func BenchmarkVerifyHit(b *testing.B) {
	benchmarkTokens(b, func(b *testing.B, verifier *Verifier, token string) {
		b.ReportAllocs()
		for b.Loop() {
			if _, refusal := verifier.Verify(b.Context(), token); refusal != nil {
				b.Fatal(refusal)
			}
		}
	})
}

// BenchmarkVerifyMiss verifies an unknown token.
func BenchmarkVerifyMiss(b *testing.B) {
	benchmarkTokens(b, func(b *testing.B, verifier *Verifier, token string) {
		b.ReportAllocs()
		for b.Loop() {
			forgetToken(verifier.verified, token)
			if _, refusal := verifier.Verify(b.Context(), token); refusal != nil {
				b.Fatal(refusal)
			}
		}
	})
}

func BenchmarkGateStrict(b *testing.B) {
	verifier := NewVerifier(keystest.NewRing(b, authtest.Secret), nil, authtest.AtNoon)
	gate := NewGate(verifier, oneUser{Active: true, CompanyID: &authtest.Acme, Role: "user"})
	token := authtest.Signed(b, authtest.Claims(nil))
	header := http.Header{"Authorization": {"Bearer " + token}}
	decide := func(b *testing.B) { // b.Helper would cost more than a hit
		if _, refusal := gate.Decide(b.Context(), header, Rule{Policy: config.PolicyStrict}); refusal != nil {
			b.Fatal(refusal)
		}
	}
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			decide(b)
		}
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			forgetToken(verifier.verified, token)
			decide(b)
		}
	})
}
