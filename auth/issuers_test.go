package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/config"
)

// A table that is not taken leaves nothing behind; one that is takes over the
// keys that were there, and ends the reading of those that nobody wants.
func TestKeySourcesAdopt(t *testing.T) {
	a, b := newNamedKey(t, "a"), newNamedKey(t, "b")
	serverA, serverB := newIssuerServer(t, a), newIssuerServer(t, b)
	ofA, ofB := listed(serverA.url), listed(serverB.url)
	ofB.Issuer = "https://b.example.com/"
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, ofA)
		gateway.expect(t, a.token(t), nil)

		refused := gateway.Issuers([]config.Issuer{ofA, ofB}) // its table is invalid
		if refused.byName[issuerName].keySource != gateway.issuers.byName[issuerName].keySource {
			t.Error("the source is not shared")
		}
		waitReal(time.Minute)
		serverB.expectRequests(t, 0)

		both := gateway.Issuers([]config.Issuer{ofB, ofA})
		gateway.Adopt(both)
		synctest.Wait()
		serverA.expectRequests(t, 1) // was known
		serverB.expectRequests(t, 1)

		waiting := gateway.Issuers([]config.Issuer{ofA}) // compiled before A goes, adopted after
		gateway.Adopt(gateway.Issuers([]config.Issuer{ofB}))
		waitReal(time.Hour)
		serverA.expectRequests(t, 1)
		serverB.expectRequests(t, 1+6)
		gateway.expect(t, a.token(t), nil) // a request of the old table

		gateway.Adopt(waiting)
		synctest.Wait()
		serverA.expectRequests(t, 2)
		waitReal(time.Hour)
		serverA.expectRequests(t, 2+6)
		serverB.expectRequests(t, 1+6)

		gateway.Close()
		waitReal(time.Hour)
		serverA.expectRequests(t, 2+6)
	})
}

// Issuers that publish their keys together are read together.
func TestKeySourcesShared(t *testing.T) {
	key := newNamedKey(t, "a")
	server := newIssuerServer(t, key)
	one, two := listed(server.url), listed(server.url)
	one.Issuer = "https://one.example.com/"
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, one, two)
		gateway.expect(t, key.token(t), nil)
		waitReal(defaultFresh)
		server.expectRequests(t, 2)
	})
}
