package forward

import (
	"slices"
	"testing"

	"gatehouse/config"
)

// TestUnchangedHeaders checks that a table cannot change the headers on which the gateway
// itself depends.
func TestUnchangedHeaders(t *testing.T) {
	names := slices.Concat(ownHeaders, framingHeaders, []string{"Connection", "Te", "Trailer", "Upgrade", "Host", "Expect", "Sec-WebSocket-Key"})
	for name := range config.DefaultIdentityHeaders() {
		names = append(names, name)
	}
	for _, name := range names {
		for _, change := range []string{"set: {" + name + ": a}", "add: {" + name + ": a}", "remove: [" + name + "]"} {
			table := "routes: [{name: a, prefix: /, backend: 'http://b', request_headers: {" + change + "}}]"
			if _, err := config.Parse("routes.yaml", []byte(table), nil); err == nil {
				t.Errorf("%s is accepted", change)
			}
		}
	}
}

// TestSharedChanges checks that routes with the same rules of `defaults:` share their
// compiled form, so that a large table stays small.
func TestSharedChanges(t *testing.T) {
	cfg, err := config.Parse("routes.yaml", []byte(`
defaults: {request_headers: {set: {X-A: b}}, response_headers: {remove: [Server]}}
routes:
  - {name: a, prefix: /a, backend: "http://b"}
  - {name: b, prefix: /b, backend: "http://b"}
  - {name: c, prefix: /c, backend: "http://b", request_headers: {remove: [X-A]}, response_headers: {}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	policy := NewHeaderPolicy(cfg)
	a, b, c := cfg.Routes[0], cfg.Routes[1], cfg.Routes[2]
	if of := policy.Changes(a.RequestHeaders); of == nil || of != policy.Changes(b.RequestHeaders) || of == policy.Changes(c.RequestHeaders) {
		t.Error("request_headers")
	}
	if of := policy.Changes(a.ResponseHeaders); of == nil || of != policy.Changes(b.ResponseHeaders) || policy.Changes(c.ResponseHeaders) != nil || policy.Changes(nil) != nil {
		t.Error("response_headers")
	}
}
