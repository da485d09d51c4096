package account

// This file tests the revocation of tokens at the endpoints.

import (
	"testing"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/store"
)

// newCachedServer returns an endpointServer whose gate caches users. Only the
// endpoints report changes to it, because it has no feed.
func newCachedServer(t *testing.T, users store.Store) *endpointServer {
	t.Helper()
	cached := auth.NewCachedUsers(auth.CachedUsersOptions{Users: auth.StoredUsers{Store: users}, Now: authtest.AtNoon})
	cached.Connected()
	return newEndpointServer(t, users, func(options *Options) {
		options.Gate = auth.NewGate(auth.NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon), cached)
		options.Changed = cached.Changed
		options.Companies = []uuid.UUID{authtest.Globex}
	})
}

const loginOfAnn = `{"email":"ann@example.com","password":"correct horse"}`

func TestLogoutEverywhere(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		f := newCachedServer(t, users)
		authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, HashedPassword: hashOfCorrectHorse})
		first := f.send(t, "POST", "/login", "", loginOfAnn).field(t, "access_token")
		second := f.send(t, "POST", "/login", "", loginOfAnn).field(t, "access_token")
		if got := f.send(t, "GET", "/me", second, ""); got.status != 200 {
			t.Fatalf("before: %d", got.status)
		}
		f.send(t, "POST", "/me/logout-everywhere", first, "").expect(t, 204, "")
		for _, token := range []string{first, second} {
			f.send(t, "GET", "/me", token, "").expectDetail(t, 401, "Token has been revoked.")
			f.send(t, "POST", "/me/logout-everywhere", token, "").expectDetail(t, 401, "Token has been revoked.")
			f.send(t, "POST", "/me/ensure-company", token, "").expectDetail(t, 401, "Token has been revoked.")
		}
		// A token issued in the same second as the revocation is good at once.
		third := f.send(t, "POST", "/login", "", loginOfAnn).field(t, "access_token")
		if got := f.send(t, "GET", "/me", third, ""); got.status != 200 {
			t.Errorf("after another login: %d %s", got.status, got.body)
		}
	})
}

func TestChangePasswordRevokes(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		f := newCachedServer(t, users)
		authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, HashedPassword: hashOfCorrectHorse})
		stolen := f.send(t, "POST", "/login", "", loginOfAnn).field(t, "access_token")
		own := f.send(t, "POST", "/login", "", loginOfAnn).field(t, "access_token")
		f.send(t, "GET", "/me", stolen, "")
		f.send(t, "PUT", "/me/password", own, `{"old_password":"correct horse","new_password":"battery staple"}`).expect(t, 204, "")
		for _, token := range []string{stolen, own} {
			f.send(t, "GET", "/me", token, "").expectDetail(t, 401, "Token has been revoked.")
		}
		fresh := f.send(t, "POST", "/login", "", `{"email":"ann@example.com","password":"battery staple"}`).field(t, "access_token")
		if got := f.send(t, "GET", "/me", fresh, ""); got.status != 200 {
			t.Errorf("after a login with the new password: %d %s", got.status, got.body)
		}
	})
}

// A joined company is known at once, and the new token is good.
func TestEnsureCompanyAtOnce(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		f := newCachedServer(t, users)
		authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, HashedPassword: hashOfCorrectHorse})
		f.send(t, "PUT", "/me/password", f.send(t, "POST", "/login", "", loginOfAnn).field(t, "access_token"),
			`{"old_password":"correct horse","new_password":"battery staple"}`).expect(t, 204, "")
		old := f.send(t, "POST", "/login", "", `{"email":"ann@example.com","password":"battery staple"}`).field(t, "access_token")
		f.send(t, "GET", "/me", old, "")
		fresh := f.send(t, "POST", "/me/ensure-company", old, `{"company_id":"`+authtest.Globex.String()+`"}`).field(t, "new_access_token")
		if got := f.send(t, "GET", "/me", fresh, ""); got.status != 200 {
			t.Errorf("with the new token: %d %s", got.status, got.body)
		}
	})
}

// The Gate may have cached an older state: an endpoint reads the row.
func TestRevokedBehindGate(t *testing.T) {
	users := authtest.OpenSQLite(t)
	f := newEndpointServer(t, users, func(options *Options) {
		options.Gate = auth.NewGate(auth.NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon), oneUser{Active: true, Role: "user"})
		options.DefaultCompanyID = &authtest.Acme
	})
	user := authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, TokensValidAfter: &authtest.Noon})
	for _, endpoint := range []struct{ method, path, body string }{
		{"GET", "/me", ""},
		{"POST", "/me/ensure-company", ""},
		{"POST", "/me/logout-everywhere", ""},
		{"PUT", "/me/password", `{"old_password":"correct horse","new_password":"battery staple"}`},
	} {
		f.send(t, endpoint.method, endpoint.path, f.tokenOf(t, user), endpoint.body).
			expectDetail(t, 401, "Token has been revoked.")
	}
}
