package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/internal/testkit"
)

// issuer publishes keys, or fails as the test demands.
type issuer struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
}

func newIssuer(t testing.TB, answer http.HandlerFunc) *issuer {
	t.Helper()
	i := new(issuer)
	i.answer.Store(&answer)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*i.answer.Load())(w, r) }))
	t.Cleanup(i.Close)
	return i
}

// publishes answers with a text, and a status.
func publishes(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

// issuerTable is a route table with these entries of `tokens`, by issuer.
func issuerTable(backend string, keys ...string) string {
	table := "users: off\ntokens:\n"
	for i := 0; i < len(keys); i += 2 {
		table += "  - {issuer: \"" + keys[i] + "\", keys: \"" + keys[i+1] + "\", audience: orders, algorithms: [RS256]}\n"
	}
	return table + "routes:\n  - {name: all, prefix: /, backend: \"" + backend + "\"}\n"
}

// issuerMetric is the value of a metric of an issuer, "" when it is not there.
func issuerMetric(t testing.TB, gateway *running, name, issuer string) string {
	t.Helper()
	for line := range strings.Lines(do(t, request{url: gateway.operators + "/metrics"}).body) {
		if value, found := strings.CutPrefix(line, name+`{issuer="`+issuer+`"} `); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

const (
	issuerKeysMetric    = "gatehouse_issuer_keys"
	issuerSuccessMetric = "gatehouse_issuer_keys_last_success_timestamp_seconds"
)

// TestReadyWithIssuersKeys requires that a new gateway is not ready before it
// has read the keys of each issuer once, whatever the error, and that it soon
// tries again (issue 10).
func TestReadyWithIssuersKeys(t *testing.T) {
	t.Parallel()
	key := authtest.NewRSA(t, 2048)
	backend := httptest.NewServer(publishes(200, "fine"))
	t.Cleanup(backend.Close) // after the parallel ones
	for name, bad := range map[string]http.HandlerFunc{
		"500":       publishes(500, ""),
		"HTML":      publishes(200, "<!doctype html><title>Sign in</title>"),
		"empty set": publishes(200, `{"keys":[]}`),
		"too slow":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := make(chan struct{})
			if bad == nil {
				bad = func(w http.ResponseWriter, _ *http.Request) {
					<-slow
					publishes(200, jwkOf(t, key, "a", nil))(w, nil)
				}
			}
			other := newIssuer(t, bad)
			g, log := newGateway(t, testkit.TempFile(t, "routes.yaml", issuerTable(backend.URL, otherIssuer, other.URL)), nil)
			g.IssuerWait = time.Hour
			gateway := launch(t, g, log, nil)
			ready := do(t, request{url: gateway.operators + "/readyz"})
			if ready.status != http.StatusServiceUnavailable || !strings.Contains(ready.body, otherIssuer) || !strings.Contains(ready.body, "not read yet") {
				t.Errorf("without keys: %d %s", ready.status, ready.body)
			}
			if keys, at := issuerMetric(t, gateway, issuerKeysMetric, otherIssuer), issuerMetric(t, gateway, issuerSuccessMetric, otherIssuer); keys != "0" || at != "0" {
				t.Errorf("without keys: %q keys, read at %q", keys, at)
			}
			good := publishes(200, jwkOf(t, key, "a", nil))
			other.answer.Store(&good)
			close(slow)
			testkit.Eventually(t, "ready", func() bool { return do(t, request{url: gateway.operators + "/readyz"}).body == `{"ready":true}` })
			if keys, at := issuerMetric(t, gateway, issuerKeysMetric, otherIssuer), issuerMetric(t, gateway, issuerSuccessMetric, otherIssuer); keys != "1" || at == "0" || at == "" {
				t.Errorf("with keys: %q keys, read at %q", keys, at)
			}
			if a := do(t, request{url: gateway.url + "/x", token: signedBy(t, key, map[string]any{"kid": "a"}, nil)}); a.body != "fine" {
				t.Errorf("a token: %d %s", a.status, a.body)
			}
		})
	}
}

// TestReadyWithoutIssuersKeys requires that a start does not wait forever for
// an issuer that is down. Then /readyz has a note, and the metrics show it.
func TestReadyWithoutIssuersKeys(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(publishes(200, "fine"))
	defer backend.Close()
	down := newIssuer(t, publishes(500, ""))
	g, log := newGateway(t, testkit.TempFile(t, "routes.yaml", issuerTable(backend.URL, otherIssuer, down.URL+"/keys?secret=1")), nil)
	g.IssuerWait = time.Millisecond
	gateway := launch(t, g, log, nil)
	var ready answer
	testkit.Eventually(t, "ready, with a note", func() bool {
		ready = do(t, request{url: gateway.operators + "/readyz"})
		return ready.status == http.StatusOK && strings.Contains(ready.body, "status 500")
	})
	if !strings.Contains(ready.body, otherIssuer) || !strings.Contains(ready.body, "never read") || strings.Contains(ready.body, "secret") {
		t.Errorf("ready: %s", ready.body)
	}
	if keys := issuerMetric(t, gateway, issuerKeysMetric, otherIssuer); keys != "0" {
		t.Errorf("%q keys", keys)
	}
}

// TestReloadAddsIssuer requires that a reload reads the keys of new issuers
// before their tokens arrive, and continues with a note when it cannot.
func TestReloadAddsIssuer(t *testing.T) {
	t.Parallel()
	key := authtest.NewRSA(t, 2048)
	backend := httptest.NewServer(publishes(200, "fine"))
	defer backend.Close()
	const second, third = "https://second.example.com/", "https://third.example.com/"
	good := newIssuer(t, publishes(200, jwkOf(t, key, "a", nil)))
	down := newIssuer(t, publishes(500, ""))
	file := testkit.TempFile(t, "routes.yaml", issuerTable(backend.URL, otherIssuer, good.URL))
	g, log := newGateway(t, file, nil)
	g.ReloadIssuerWait = testkit.Timeout
	gateway := launch(t, g, log, nil)
	testkit.Eventually(t, "ready", func() bool { return do(t, request{url: gateway.operators + "/readyz"}).status == http.StatusOK })

	// Not known for longer than a request waits for keys: the reload waits.
	var once sync.Once
	asked, release := make(chan struct{}), make(chan struct{})
	slow := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(asked) })
		<-release
		publishes(200, jwkOf(t, key, "a", nil))(w, r)
	})
	reload := func(keys ...string) {
		t.Helper()
		testkit.WriteFile(t, file, issuerTable(backend.URL, keys...))
		if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
			t.Fatalf("reload: %d %s", a.status, a.body)
		}
	}
	go func() {
		<-asked // the keys were asked for before the table was swapped
		if issuerMetric(t, gateway, issuerKeysMetric, second) != "" {
			t.Error("the table serves before its keys were read")
		}
		close(release)
	}()
	reload(otherIssuer, good.URL, second, slow.URL)
	if a := do(t, request{url: gateway.url + "/x", token: signedBy(t, key, map[string]any{"kid": "a"}, map[string]any{"iss": second})}); a.status != http.StatusOK {
		t.Errorf("the first token of an issuer that a reload added: %d %s", a.status, a.body)
	}
	if keys := issuerMetric(t, gateway, issuerKeysMetric, second); keys != "1" {
		t.Errorf("%q keys", keys)
	}

	reload(otherIssuer, good.URL, third, down.URL)
	ready := do(t, request{url: gateway.operators + "/readyz"})
	if ready.status != http.StatusOK || !strings.Contains(ready.body, third) || !strings.Contains(ready.body, "never read") {
		t.Errorf("after a reload with an issuer that is down: %d %s", ready.status, ready.body)
	}
	if keys, gone := issuerMetric(t, gateway, issuerKeysMetric, third), issuerMetric(t, gateway, issuerKeysMetric, second); keys != "0" || gone != "" {
		t.Errorf("%q keys; of the issuer that is gone %q", keys, gone)
	}
	if a := do(t, request{url: gateway.url + "/x", token: signedBy(t, key, map[string]any{"kid": "a"}, nil)}); a.status != http.StatusOK {
		t.Errorf("a token of the other issuer: %d %s", a.status, a.body)
	}
}
