package proxy

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/auth"
)

const policyTable = `
users: off
routes:
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
  - {name: initial, prefix: /initial, backend: "${BACKEND}", auth: initial}
  - {name: scoped, prefix: /scoped, backend: "${BACKEND}", claims: {scope: [orders:read], realm_access.roles: [clerk, admin]}}
  - {name: page, prefix: /page, respond: {body: hello}, claims: {scope: [orders:read]}}
  - {name: optional, prefix: /optional, backend: "${BACKEND}", auth: optional}
  - {name: none, prefix: /none, backend: "${BACKEND}", auth: none}
  - {name: admins, prefix: /admins, backend: "${BACKEND}", roles: [admin, owner]}
`

// sign returns a token with these claims, signed with the secret of the kit.
func (k *kit) sign(claims jwt.MapClaims) string {
	k.t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		k.t.Fatal(err)
	}
	return "Bearer " + token
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	k := start(t, policyTable, mirror)
	admin := k.sign(jwt.MapClaims{"sub": "ada", "company_id": "acme", "role": "admin", "exp": time.Now().Add(time.Hour).Unix()})
	expired := k.sign(jwt.MapClaims{"sub": "ada", "company_id": "acme", "exp": time.Now().Add(-time.Hour).Unix()})
	scoped := k.sign(jwt.MapClaims{
		"sub": "ada", "company_id": "acme", "exp": time.Now().Add(time.Hour).Unix(), "scope": "email orders:read",
		"realm_access": map[string]any{"roles": []string{"user", "clerk"}},
	})
	const (
		noClaim   = "The claims of the token do not allow this."
		nobody    = "Not authenticated"
		late      = "Token has expired."
		noCompany = "User authenticated, but required company association is missing or invalid in token."
		noRole    = "The user's role does not allow this."
		two       = "More than one Authorization header."
	)
	tests := []struct {
		path      string
		tokens    []string
		status    int
		detail    string
		challenge string
		result    auth.Result
	}{
		{"/strict", nil, 401, nobody, "Bearer", auth.ResultNoToken},
		{"/strict", []string{"Basic eDp5"}, 401, nobody, "Bearer", auth.ResultNoToken},
		{"/strict", []string{expired}, 401, late, `Bearer error="invalid_token", error_description="The token has expired"`, auth.ResultExpired},
		{"/strict", []string{k.newcomer()}, 403, noCompany, `Bearer error="insufficient_scope"`, auth.ResultNoCompany},
		{"/strict", []string{k.member(), k.member()}, 400, two, "", auth.ResultAmbiguous},
		{"/strict", []string{k.member()}, 200, "", "", auth.ResultAllowed},
		{"/initial", nil, 401, nobody, "Bearer", auth.ResultNoToken},
		{"/initial", []string{k.newcomer()}, 200, "", "", auth.ResultAllowed},
		{"/admins", []string{k.member()}, 403, noRole, `Bearer error="insufficient_scope"`, auth.ResultRole},
		{"/admins", []string{admin}, 200, "", "", auth.ResultAllowed},
		{"/scoped", nil, 401, nobody, "Bearer", auth.ResultNoToken},
		{"/scoped", []string{k.member()}, 403, noClaim, `Bearer error="insufficient_scope"`, auth.ResultClaim},
		{"/scoped", []string{scoped}, 200, "", "", auth.ResultAllowed},
		{"/page", []string{k.member()}, 403, noClaim, `Bearer error="insufficient_scope"`, auth.ResultClaim},
		{"/page", []string{scoped}, 200, "", "", auth.ResultAllowed},
		{"/optional", nil, 200, "", "", auth.ResultAllowed},
		{"/optional", []string{"Basic eDp5"}, 401, nobody, "Bearer", auth.ResultNoToken},
		{"/optional", []string{""}, 401, nobody, "Bearer", auth.ResultNoToken},
		{"/optional", []string{"Bearer"}, 401, nobody, "Bearer", auth.ResultNoToken},
		{"/optional", []string{expired}, 401, late, `Bearer error="invalid_token", error_description="The token has expired"`, auth.ResultExpired},
		{"/optional", []string{k.member(), k.member()}, 400, two, "", auth.ResultAmbiguous},
		{"/optional", []string{k.newcomer()}, 200, "", "", auth.ResultAllowed},
		{"/optional", []string{k.member()}, 200, "", "", auth.ResultAllowed},
		{"/none", nil, 200, "", "", auth.ResultAllowed},
		{"/none", []string{"Bearer junk"}, 200, "", "", auth.ResultAllowed},
	}
	for _, tt := range tests {
		var headers []string
		for _, token := range tt.tokens {
			headers = append(headers, "Authorization: "+token)
		}
		res := k.get(tt.path, headers...)
		if tt.status == 200 {
			if res.StatusCode != 200 {
				t.Errorf("%s %q: %d %s", tt.path, tt.tokens, res.StatusCode, res.body)
			}
		} else {
			res.wantDetail(t, tt.status, tt.detail)
		}
		if got := res.Header.Get("WWW-Authenticate"); got != tt.challenge {
			t.Errorf("%s %q: WWW-Authenticate = %q, want %q", tt.path, tt.tokens, got, tt.challenge)
		}
		decided := k.metrics.of(tt.path[1:]).decided
		if len(decided) == 0 || decided[len(decided)-1] != tt.result {
			t.Errorf("%s %q: decided %q, want %q", tt.path, tt.tokens, decided, tt.result)
		}
	}
}

// With `optional`, the backend learns who sends a good token, with or without a company,
// and nothing about others, whatever they write into identity headers.
func TestOptionalIdentity(t *testing.T) {
	t.Parallel()
	k := start(t, policyTable, mirror)
	for _, test := range []struct {
		token   string
		headers []string // X-User-Id, X-Company-Id
	}{
		{"", []string{"", ""}},
		{k.newcomer(), []string{testUser.String(), ""}},
		{k.member(), []string{testUser.String(), testCompany.String()}},
	} {
		sent := []string{"X-User-Id: evil", "X-Company-Id: evil"}
		if test.token != "" {
			sent = append(sent, "Authorization: "+test.token)
		}
		got := k.get("/optional", sent...).seen(t).Header
		if user, company := got.Get("X-User-Id"), got.Get("X-Company-Id"); user != test.headers[0] || company != test.headers[1] {
			t.Errorf("%.20q: the backend saw %q and %q, want %q", test.token, user, company, test.headers)
		}
	}
}

// When a claim is absent, its header is absent too, even if the client has sent it.
func TestAbsentClaims(t *testing.T) {
	t.Parallel()
	k := start(t, policyTable, mirror)
	bare := k.sign(jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix()})
	got := k.get("/initial", "Authorization: "+bare, "X-Company-Id: evil", "X-User-Email: evil").seen(t).Header
	if !slices.Equal(got["X-User-Id"], []string{"ada"}) || got["X-Company-Id"] != nil || got["X-User-Email"] != nil {
		t.Errorf("the backend saw %v", got)
	}
}

// usersDown is a store that does not work.
type usersDown struct{}

func (usersDown) UserState(context.Context, uuid.UUID) (auth.UserState, error) {
	return auth.UserState{}, errors.New("connection refused at db.internal:5432")
}

func TestUnreachableUsersFailClosed(t *testing.T) {
	t.Parallel()
	k := start(t, policyTable, func(http.ResponseWriter, *http.Request) { t.Error("the backend was asked") })
	k.parts.Gate = auth.NewGate(k.verifier, usersDown{})
	k.gateway.Swap(k.compile(policyTable))
	res := k.get("/strict", "Authorization: "+k.member())
	res.wantDetail(t, 503, "The user database cannot be reached.")
	if res.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After = %q", res.Header.Get("Retry-After"))
	}
	if line := k.line(); line["user_id"] != testUser.String() {
		t.Errorf("logged %v", line)
	}
	k.get("/optional", "Authorization: "+k.member()).wantDetail(t, 503, "The user database cannot be reached.")
}
