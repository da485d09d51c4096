package auth

// This file tests the Gate with tokens that are remembered.

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"
)

func bearerOf(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// A remembered token does not pass for a disabled user, from the next request
// on. It passes again when the user is enabled.
func TestDecideRemembered(t *testing.T) {
	for name, out := range outs {
		synctest.Test(t, func(t *testing.T) {
			users, asked := newCached(0)
			users.Connected()
			gate := NewGate(NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon), users)
			header := bearerOf(authtest.Signed(t, authtest.Claims(nil)))
			expect := func(when string, want *httperr.Error) {
				t.Helper()
				users.Changed(ann)
				for range 2 {
					_, refusal := gate.Decide(t.Context(), header, out.rule)
					if answerOf(t, refusal) != answerOf(t, want) {
						t.Errorf("%s, %s: %v, want %v", name, when, refusal, want)
					}
				}
				expectRemembered(t, gate.tokens, name+", "+when, 1)
			}
			expect("at first", nil)
			asked.set(ann, out.state)
			expect("out", out.want)
			asked.set(ann, member)
			expect("back", nil)
			asked.set(ann, without(func(u *UserState) { u.CompanyID = nil }))
			expect("without a company", refuseMoved)
			delete(asked.states, ann)
			expect("deleted", refuseUnknownUser)
			asked.fail(errAway)
			expect("nobody knows", StoreUnavailable)
		})
	}
}

// One token has one identity, until the user's role changes. An identity that
// was returned before keeps its role.
func TestDecideSharesIdentity(t *testing.T) {
	for name, test := range map[string]struct {
		changes jwt.MapClaims
		asIs    bool // nothing differs from what is true of the user
	}{
		"all as it is":          {jwt.MapClaims{"role": "user"}, true},
		"no company":            {jwt.MapClaims{"role": "user", "company_id": nil}, true},
		"no role":               {nil, false},
		"another role":          {jwt.MapClaims{"role": "guest"}, false},
		"subject spelled odd":   {jwt.MapClaims{"role": "user", "sub": "0D9FF6C28D8D4A4E9D536F3B8A1C2E10"}, false},
		"company spelled odd":   {jwt.MapClaims{"role": "user", "company_id": "9b8f7e6d5c4b4a398877665544332222"}, false},
		"everything is another": {jwt.MapClaims{"role": "", "sub": "0D9FF6C2-8d8d-4a4e-9d53-6f3b8a1c2e10", "company_id": "9B8F7E6D5c4b4a398877665544332222"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			users, asked := newCached(0)
			users.Connected()
			gate := NewGate(NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon), users)
			token := authtest.Signed(t, authtest.Claims(test.changes))
			decide := func() *Identity {
				t.Helper()
				who, refusal := gate.Decide(t.Context(), bearerOf(token), Rule{Policy: config.PolicyInitial})
				if refusal != nil {
					t.Fatal(refusal)
				}
				return who
			}
			said := mustVerify(t, gate.tokens, token)
			before := *said
			first := decide()
			if (first == said) != test.asIs || decide() != first {
				t.Errorf("the token says %p, then %p and %p passed", said, first, decide())
			}
			if first.UserID != ann.String() || first.UserUUID() != ann || first.Role != "user" || first.Email != "ann@example.com" {
				t.Errorf("passed: %+v", first)
			}
			if before.CompanyID != "" && first.CompanyID != authtest.Acme.String() {
				t.Errorf("company %q", first.CompanyID)
			}

			asked.set(ann, without(func(u *UserState) { u.Role = "admin" }))
			users.Changed(ann)
			if promoted := decide(); promoted.Role != "admin" || promoted != decide() || promoted.UserID != ann.String() {
				t.Errorf("promoted: %+v", promoted)
			}
			if first.Role != "user" || said.Role != before.Role || said.UserID != before.UserID || said.CompanyID != before.CompanyID {
				t.Errorf("changed afterwards: %+v, %+v", said, first)
			}
			asked.set(ann, member)
			users.Changed(ann)
			if back := decide(); back.Role != "user" {
				t.Errorf("back: %+v", back)
			}
		})
	}
}

// A request with a remembered token and a remembered user allocates nothing.
func TestDecideAllocatesNothing(t *testing.T) {
	ring, now := keystest.NewRing(t, authtest.Secret), authtest.AtNoon
	ours, err := NewSigner(ring, time.Hour, now).Token(ann, "ann@example.com", &authtest.Acme)
	if err != nil {
		t.Fatal(err)
	}
	key := authtest.NewNamedKey(t, "a")
	verifier := verifierOf(t, authtest.Listed(testkit.TempFile(t, "keys", authtest.JWKS(t, key))))
	users, _ := newCached(0)
	users.Connected()
	for name, test := range map[string]struct {
		gate  *Gate
		token string
	}{
		"ours":                {NewGate(verifier, users), ours},
		"another issuer's":    {NewGate(verifier, users), key.Token(t)},
		"with a role":         {NewGate(verifier, users), authtest.Signed(t, authtest.Claims(jwt.MapClaims{"role": "user"}))},
		"ids spelled odd":     {NewGate(verifier, users), authtest.Signed(t, authtest.Claims(jwt.MapClaims{"sub": "0D9FF6C28D8D4A4E9D536F3B8A1C2E10"}))},
		"users off":           {NewGate(verifier, nil), ours},
		"users off, no UUIDs": {NewGate(verifier, nil), authtest.Signed(t, authtest.Claims(jwt.MapClaims{"sub": "ann", "company_id": "acme"}))},
	} {
		header, ctx := bearerOf(test.token), t.Context()
		allocations := testing.AllocsPerRun(100, func() {
			if _, refusal := test.gate.Decide(ctx, header, strict); refusal != nil {
				t.Errorf("%s: %v", name, refusal)
			}
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}
