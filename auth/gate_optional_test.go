package auth

import (
	"maps"
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/store"
)

// TestDecideOptional tests the column of `optional` in the truth table of the
// package documentation. Only a request without any Authorization header is
// anonymous.
func TestDecideOptional(t *testing.T) {
	users, gone := authtest.OpenSQLite(t), authtest.OpenSQLite(t)
	gone.Close()
	member := authtest.AddUser(t, users, store.User{Email: "member@example.com", Active: true, CompanyID: &authtest.Acme}).ID.String()
	retired := authtest.AddUser(t, users, store.User{Email: "retired@example.com", CompanyID: &authtest.Acme}).ID.String()
	revokedAt := authtest.Noon
	loggedOut := authtest.AddUser(t, users, store.User{Email: "out@example.com", Active: true, CompanyID: &authtest.Acme, TokensValidAfter: &revokedAt}).ID.String()

	tokens := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon)
	withUsers, withoutStore, off := NewGate(tokens, StoredUsers{Store: users}), NewGate(tokens, StoredUsers{Store: gone}), NewGate(tokens, nil)

	signed := func(sub string, changes jwt.MapClaims) string {
		all := jwt.MapClaims{"sub": sub}
		maps.Copy(all, changes)
		return authtest.Signed(t, authtest.Claims(all))
	}
	bearer := func(sub string, changes jwt.MapClaims) []string { return []string{"Bearer " + signed(sub, changes)} }
	forgedToken := authtest.SignedWith(t, jwt.SigningMethodHS256, []byte("a secret of somebody else, long enough"), authtest.Claims(nil), nil)
	good := signed(member, nil)

	const anonymous = "" // the user of a request that passes without an identity
	for _, row := range []struct {
		request       string
		authorization []string
		answer        answer // with users
		down          answer // with users who cannot be asked
		off           answer // with `users: off`
		user          string // when it passes
	}{
		{"no Authorization", nil, passes, passes, passes, anonymous},
		{"two Authorization headers", []string{"Bearer " + good, "Bearer " + good}, ambiguous, ambiguous, ambiguous, ""},
		{"two, of which one is another scheme", []string{"Basic YTpi", "Bearer " + good}, ambiguous, ambiguous, ambiguous, ""},
		{"two, both empty", []string{"", ""}, ambiguous, ambiguous, ambiguous, ""},
		{"empty", []string{""}, noToken, noToken, noToken, ""},
		{"spaces", []string{"  "}, noToken, noToken, noToken, ""},
		{"Basic", []string{"Basic YTpi"}, noToken, noToken, noToken, ""},
		{"a token without a scheme", []string{good}, noToken, noToken, noToken, ""},
		{"Bearer with nothing after it", []string{"Bearer"}, noToken, noToken, noToken, ""},
		{"Bearer with spaces after it", []string{"Bearer   "}, noToken, noToken, noToken, ""},
		{"malformed", []string{"Bearer null"}, malformed, malformed, malformed, ""},
		{"forged", []string{"Bearer " + forgedToken}, forged, forged, forged, ""},
		{"expired", bearer(member, jwt.MapClaims{"exp": authtest.Noon.Unix()}), expired, expired, expired, ""},
		{"nbf ahead", bearer(member, jwt.MapClaims{"nbf": authtest.Noon.Unix() + 31}), notYet, notYet, notYet, ""},
		{"no sub", bearer("", nil), noSubject, noSubject, noSubject, ""},
		{"user unknown", bearer(uuid.NewString(), nil), unknown, down, passes, "token"},
		{"user inactive", bearer(retired, nil), inactive, down, passes, "token"},
		{"token revoked", bearer(loggedOut, nil), revoked, down, passes, "token"},
		{"of a company that the user has left", bearer(member, jwt.MapClaims{"company_id": authtest.Globex.String()}), moved, down, passes, "token"},
		{"without a company", bearer(member, jwt.MapClaims{"company_id": nil}), passes, down, passes, "token"},
		{"with a company", bearer(member, nil), passes, down, passes, "token"},
	} {
		t.Run(row.request, func(t *testing.T) {
			header := http.Header{}
			if row.authorization != nil {
				header["Authorization"] = row.authorization
			}
			for _, cell := range []struct {
				users string
				gate  *Gate
				want  answer
			}{{"on", withUsers, row.answer}, {"unreachable", withoutStore, row.down}, {"off", off, row.off}} {
				identity, refusal := cell.gate.Decide(t.Context(), header, Rule{Policy: config.PolicyOptional})
				if got := answerOf(t, refusal); got != cell.want {
					t.Errorf("users %s: got %+v, want %+v", cell.users, got, cell.want)
				}
				if refusal == nil && (identity == nil) != (row.user == anonymous) {
					t.Errorf("users %s: identity %+v", cell.users, identity)
				}
			}
		})
	}
}

// A rule that a table refuses does not open a route.
func TestOptionalWithRoles(t *testing.T) {
	gate := NewGate(NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon), nil)
	rule := Rule{Policy: config.PolicyOptional, Roles: []string{"admin"}}
	for name, decider := range map[string]Decider{"gate": gate, "simulated": SimulatedIdentity(nil)} {
		if _, refusal := decider.Decide(t.Context(), http.Header{}, rule); answerOf(t, refusal) != noToken {
			t.Errorf("%s: got %+v", name, refusal)
		}
	}
}

// `explain` answers as the gateway would for a caller without a token.
func TestOptionalSimulated(t *testing.T) {
	rule := Rule{Policy: config.PolicyOptional}
	anonymous, _ := Persona("anonymous")
	newcomer, _ := Persona("newcomer")
	for name, test := range map[string]struct {
		caller        SimulatedIdentity
		authorization []string
		want          answer
		identified    bool
	}{
		"anonymous":                    {anonymous, nil, passes, false},
		"anonymous, with Basic":        {anonymous, []string{"Basic YTpi"}, noToken, false},
		"anonymous, with an empty one": {anonymous, []string{""}, noToken, false},
		"anonymous, with two":          {anonymous, []string{"a", "b"}, ambiguous, false},
		"newcomer":                     {newcomer, nil, passes, true},
	} {
		header := http.Header{}
		if test.authorization != nil {
			header["Authorization"] = test.authorization
		}
		identity, refusal := test.caller.Decide(t.Context(), header, rule)
		if got := answerOf(t, refusal); got != test.want || (identity != nil) != test.identified {
			t.Errorf("%s: %+v, %+v", name, got, identity)
		}
	}
}
