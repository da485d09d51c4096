package keys_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys"
	"gatehouse/config"
)

// A refused table has no effect on the sources. An activated one keeps the keys
// that exist, and stops reading those that it does not use.
func TestKeySourcesAdopt(t *testing.T) {
	a, b := authtest.NewNamedKey(t, "a"), authtest.NewNamedKey(t, "b")
	serverA, serverB := authtest.NewIssuerServer(t, a), authtest.NewIssuerServer(t, b)
	ofA, ofB := authtest.Listed(serverA.URL), authtest.Listed(serverB.URL)
	ofB.Issuer = "https://b.example.com/"
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, ofA)
		gateway.expect(t, a.Token(t), nil)

		refused := gateway.Issuers([]config.Issuer{ofA, ofB}) // its table is invalid
		if refused.Named(authtest.IssuerName).Version() != gateway.issuers.Named(authtest.IssuerName).Version() {
			t.Error("the source is not shared")
		}
		authtest.Sleep(time.Minute)
		serverB.ExpectRequests(t, 0)

		both := gateway.Issuers([]config.Issuer{ofB, ofA})
		gateway.Activate(both)
		synctest.Wait()
		serverA.ExpectRequests(t, 1) // was known
		serverB.ExpectRequests(t, 1)

		waiting := gateway.Issuers([]config.Issuer{ofA}) // compiled before A goes, activated after
		gateway.Activate(gateway.Issuers([]config.Issuer{ofB}))
		authtest.Sleep(time.Hour)
		serverA.ExpectRequests(t, 1)
		serverB.ExpectRequests(t, 1+6)
		gateway.expect(t, a.Token(t), nil) // a request of the old table

		gateway.Activate(waiting)
		synctest.Wait()
		serverA.ExpectRequests(t, 2)
		authtest.Sleep(time.Hour)
		serverA.ExpectRequests(t, 2+6)
		serverB.ExpectRequests(t, 1+6)

		gateway.Close()
		authtest.Sleep(time.Hour)
		serverA.ExpectRequests(t, 2+6)
	})
}

// Issuers with the same place of keys share one source.
func TestKeySourcesShared(t *testing.T) {
	key := authtest.NewNamedKey(t, "a")
	server := authtest.NewIssuerServer(t, key)
	one, two := authtest.Listed(server.URL), authtest.Listed(server.URL)
	one.Issuer = "https://one.example.com/"
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, one, two)
		gateway.expect(t, key.Token(t), nil)
		authtest.Sleep(keys.DefaultFresh)
		server.ExpectRequests(t, 2)
	})
}
