package config

import (
	"slices"
	"testing"
	"time"
)

// TestBackendDefaults reads backends that say little, and some that say that they want
// nothing.
func TestBackendDefaults(t *testing.T) {
	t.Parallel()
	table := mustParse(t, `
backends:
  two: {servers: [http://a, {url: http://b, weight: 3}], health: {path: /healthz}, max_requests: 5, max_waiting: 2}
  one: {servers: [http://a]}
  looked-up: {discover: {url: http://orders}, passive: {fails: 2}, retry: {attempts: 4}}
  quiet: {servers: [http://a, http://b], passive: off, retry: false}
  given: {servers: [http://a], retry: {per_try: 1s}}
routes: [{name: a, prefix: /, backend: two}]
`, nil)
	two := table.Backends["two"]
	if two.Name != "two" || two.Position.Line != 3 || two.Position.Column != 3 || two.Balance != BalanceP2C || two.Servers[0].Weight != 1 || two.Servers[1].Weight != 3 ||
		two.MaxWait != time.Second || two.Servers[1].URL.Host != "b" {
		t.Errorf("two: %+v", two)
	}
	if h := two.Health; h.Interval != 10*time.Second || h.Timeout != 2*time.Second || h.Fails != 3 || h.Passes != 2 || h.GRPC != nil || len(h.Expect) != 1 || h.Expect[0].String() != "200-299" {
		t.Errorf("health: %+v", h)
	}
	if p := two.Passive; p == nil || p.Fails != 5 || p.Eject != 30*time.Second || p.MaxEjected != 50 {
		t.Errorf("passive: %+v", p)
	}
	get := []string{"GET", "HEAD", "OPTIONS"}
	if r := two.Retry; r == nil || r.Attempts != 2 || r.PerTry != 0 || r.Budget != 20 || !slices.Equal(r.When, []RetryCause{RetryConnect, RetryReset}) || !slices.Equal(r.Methods, get) {
		t.Errorf("retry: %+v", r)
	}
	for _, name := range []string{"one", "quiet"} {
		if b := table.Backends[name]; b.Passive != nil || b.Retry != nil {
			t.Errorf("%s: %+v and %+v, want none", name, b.Passive, b.Retry)
		}
	}
	if b := table.Backends["looked-up"]; b.Discover.Refresh != 10*time.Second || b.Passive.Fails != 2 || b.Passive.Eject != 30*time.Second || b.Retry.Attempts != 4 || b.Retry.Budget != 20 {
		t.Errorf("looked-up: %+v, %+v, %+v", b.Discover, b.Passive, b.Retry)
	}
	if b := table.Backends["given"]; b.Passive != nil || b.Retry == nil || b.Retry.PerTry != time.Second || b.Retry.Attempts != 2 {
		t.Errorf("given: %+v and %+v", b.Passive, b.Retry)
	}
}

// TestBackendPrecedence requires that what a route says itself comes first, then its
// backend, then `defaults:`.
func TestBackendPrecedence(t *testing.T) {
	t.Parallel()
	table := mustParse(t, `
defaults: {timeout: 1s, connect_timeout: 1s, idle_timeout: 1s, preserve_host: true, protocol: http1}
backends:
  says: {servers: [https://a], timeout: 2s, connect_timeout: 2s, idle_timeout: 0, preserve_host: false, protocol: auto, tls: {ca: backend.pem}}
  silent: {servers: [https://b/base]}
  plain: {servers: [http://c], protocol: h2c}
routes:
  - {name: a, prefix: /a, backend: says}
  - {name: b, prefix: /b, backend: says, timeout: 3s, connect_timeout: 0, idle_timeout: 3s, preserve_host: true, protocol: http1, tls: {ca: route.pem}}
  - {name: c, prefix: /c, backend: {silent: 1, says: 3}, mirror: {backend: plain, percent: 5}}
  - {name: d, prefix: /d, backend: "https://d", mirror: {backend: "http://copies", percent: 0.5%}}
  - {name: e, prefix: /e, backend: plain}
`, nil)
	share := func(route, index int) *Route { return table.Routes[route].Backend.Shares[index].Route }
	check := func(name string, got *Route, timeout, connect, idle time.Duration, host bool, protocol Protocol, ca, base string) {
		t.Helper()
		file := ""
		if got.TLS != nil {
			file = got.TLS.CA
		}
		if got.Timeout != timeout || got.ConnectTimeout != connect || got.IdleTimeout != idle || got.PreserveHost != host || got.Protocol != protocol || file != ca || got.Backend.First().String() != base {
			t.Errorf("%s: %s %s %s %t %s %q %s", name, got.Timeout, got.ConnectTimeout, got.IdleTimeout, got.PreserveHost, got.Protocol, file, got.Backend.First())
		}
	}
	const s = time.Second
	check("the backend's", share(0, 0), 2*s, 2*s, 0, false, ProtocolAuto, "backend.pem", "https://a")
	check("the route's", share(1, 0), 3*s, 0, 3*s, true, ProtocolHTTP1, "route.pem", "https://a")
	check("one side of a split", share(2, 0), 2*s, 2*s, 0, false, ProtocolAuto, "backend.pem", "https://a")
	check("the other side", share(2, 1), s, s, s, true, ProtocolHTTP1, "", "https://b/base")
	check("a mirror", table.Routes[2].Mirror.Route, s, s, s, true, ProtocolH2C, "", "http://c")
	check("a mirror with a URL", table.Routes[3].Mirror.Route, s, s, s, true, ProtocolHTTP1, "", "http://copies")
	check("h2c", share(4, 0), s, s, s, true, ProtocolH2C, "", "http://c")
	if upgrade := share(4, 0).Upgrade; upgrade != nil {
		t.Errorf("h2c has no upgrade, but the route allows %v", upgrade)
	}
	if c := table.Routes[2].Backend; c.Shares[0].Name != "says" || c.Shares[0].Weight != 3 || c.Shares[1].Weight != 1 || c.String() != "says: 3, silent: 1" || c.Label() != "says, silent" || len(c.Servers()) != 2 {
		t.Errorf("a split: %+v", c)
	}
	if d := table.Routes[3]; !d.Backend.IsURL() || d.Backend.String() != "https://d" || d.Mirror.Percent != 0.5 || d.Mirror.String() != "0.5% to http://copies" {
		t.Errorf("a URL: %+v, %+v", d.Backend, d.Mirror)
	}
	if table.Routes[0].Timeout != s {
		t.Error("the route itself has the timeout of its backend")
	}
}

// TestClaimsOfBackends requires that tokens keep the claims that choose a server or a side.
func TestClaimsOfBackends(t *testing.T) {
	t.Parallel()
	table := mustParse(t, `
identity: {headers: {}}
backends:
  a: {servers: [http://a, http://b], balance: hash, hash: {claim: tenant.id}}
  b: {servers: [http://c]}
routes: [{name: a, prefix: /, backend: {a: 1, b: 1}, split_by: {claim: plan}}]
`, nil)
	if got := table.HeaderClaims(); !slices.Equal(got, []string{"plan", "tenant.id"}) {
		t.Errorf("got %v", got)
	}
}

// TestHashKeys reads what chooses a server. Names of headers are written as in an
// http.Header.
func TestHashKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]HashKey{
		"client_ip": {ClientIP: true}, `"client_ip"`: {ClientIP: true}, "{header: x-tenant}": {Header: "X-Tenant"},
		"{cookie: session}": {Cookie: "session"}, "{claim: org.id}": {Claim: "org.id"},
	} {
		table := mustParse(t, "backends:\n  a: {servers: [http://a], balance: hash, hash: "+text+"}\n  b: {servers: [http://b]}\n"+
			"routes: [{name: a, prefix: /, backend: {a: 1, b: 1}, split_by: "+text+"}]\n", nil)
		if hash, split := *table.Backends["a"].Hash, *table.Routes[0].SplitBy; hash != want || split != want {
			t.Errorf("%s: %+v and %+v", text, hash, split)
		}
	}
}
