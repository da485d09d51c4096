package auth

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"
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

// claimRoutes are the claims of a token in several forms, with what a route
// requires of them.
func claimRoutes() map[string]struct {
	required map[string]config.ClaimValues
	claims   jwt.MapClaims
} {
	var many []string
	for i := range 250 {
		many = append(many, fmt.Sprint("group", i))
	}
	return map[string]struct {
		required map[string]config.ClaimValues
		claims   jwt.MapClaims
	}{
		"scope":  {map[string]config.ClaimValues{"scope": {"orders:read", "orders:write"}}, jwt.MapClaims{"scope": "openid email orders:read"}},
		"path":   {map[string]config.ClaimValues{"realm_access.roles": {"admin"}}, jwt.MapClaims{"realm_access": map[string]any{"roles": []string{"user", "admin"}}}},
		"three":  {map[string]config.ClaimValues{"level": {"3"}, "vip": {"true"}, "email": {"ann@example.com"}}, jwt.MapClaims{"level": 3, "vip": true}},
		"groups": {map[string]config.ClaimValues{"groups": {"group249", "group7"}}, jwt.MapClaims{"groups": many}},
	}
}

// claimGate returns a gate for a table whose one route requires the claims, and
// a header with a token that has them.
func claimGate(t testing.TB, required map[string]config.ClaimValues, claims jwt.MapClaims) (*Gate, Rule, http.Header) {
	table := requiring(config.PolicyStrict, required)
	verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon).Keeping(ClaimsOf(table))
	gate := NewGate(verifier, oneUser{Active: true, CompanyID: &authtest.Acme, Role: "user"})
	return gate, RuleOf(&table.Routes[0]), http.Header{"Authorization": {"Bearer " + authtest.Signed(t, authtest.Claims(claims))}}
}

// BenchmarkGateClaims decides about a remembered token on a route with claims.
func BenchmarkGateClaims(b *testing.B) {
	for name, test := range claimRoutes() {
		b.Run(name, func(b *testing.B) {
			gate, rule, header := claimGate(b, test.required, test.claims)
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := gate.Decide(b.Context(), header, rule); refusal != nil {
					b.Fatal(refusal)
				}
			}
		})
	}
}

// A remembered token costs no memory on a route with claims.
func TestClaimsAllocateNothing(t *testing.T) {
	for name, test := range claimRoutes() {
		gate, rule, header := claimGate(t, test.required, test.claims)
		if got := testing.AllocsPerRun(100, func() {
			if _, refusal := gate.Decide(t.Context(), header, rule); refusal != nil {
				t.Fatal(refusal)
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
