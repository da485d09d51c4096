package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// awaitCopies waits until a route has counted copies with these results.
func (k *kit) awaitCopies(route, result string, want int) {
	k.t.Helper()
	testkit.Eventually(k.t, result+" copies", func() bool {
		n := 0
		for _, one := range k.metrics.of(route).copies() {
			if one == result {
				n++
			}
		}
		return n == want
	})
}

// What became of each copy is counted.
func TestMirrorResults(t *testing.T) {
	t.Parallel()
	hold, held := make(chan struct{}), make(chan struct{}, 256)
	slow := testkit.Serve(t, func(http.ResponseWriter, *http.Request) { held <- struct{}{}; <-hold })
	served := new(atomic.Int64)
	backend := named(t, "one", served)
	k := startBefore(t, `
users: off
backends:
  gone: {discover: {url: "http://nowhere.invalid"}}
routes:
  - {name: fine, prefix: /fine, auth: none, backend: "`+backend+`", mirror: {backend: "`+backend+`", percent: 100}}
  - {name: away, prefix: /away, auth: none, backend: "`+backend+`", mirror: {backend: "`+closedServer(t)+`", percent: 100}}
  - {name: empty, prefix: /empty, auth: none, backend: "`+backend+`", mirror: {backend: gone, percent: 100}}
  - {name: slow, prefix: /slow, auth: none, backend: "`+backend+`", mirror: {backend: "`+slow+`", percent: 100}}
  - {name: never, prefix: /never, auth: none, backend: "`+backend+`", methods: [GET]}
`, "")
	k.get("/fine")
	k.awaitCopies("fine", "sent", 1)
	k.do("POST", "/fine", strings.NewReader(strings.Repeat("x", 1<<20+1)))
	k.awaitCopies("fine", "too_large", 1)
	k.do("POST", "/fine", io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20+1)))) // of unknown length
	k.awaitCopies("fine", "too_large", 2)
	k.get("/away")
	k.awaitCopies("away", "failed", 1)
	k.get("/empty")
	k.awaitCopies("empty", "failed", 1)
	k.get("/never")
	for range 130 { // 128 may be in flight
		k.get("/slow")
	}
	k.awaitCopies("slow", "busy", 2)
	for range 128 {
		<-held
	}
	close(hold)
	k.awaitCopies("slow", "sent", 128)
	for _, route := range []string{"fine", "away", "empty", "slow"} {
		total := map[string]int{"fine": 3, "away": 1, "empty": 1, "slow": 130}[route]
		if got := k.metrics.of(route).copies(); len(got) != total {
			t.Errorf("%s: %d results of %d copies: %v", route, len(got), total, got)
		}
	}
	if got := k.metrics.of("never").copies(); len(got) > 0 {
		t.Errorf("without copies: %v", got)
	}
}

// A request that is refused before its body is read gives up the place of its copy.
func TestMirrorOfRefusedRequests(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	backend := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/orders/first" {
			started <- struct{}{}
			<-release
		}
	})
	copied := new(atomic.Int64)
	k := startBefore(t, `
users: off
backends: {full: {servers: ["`+backend+`"], max_requests: 1}}
routes:
  - {name: orders, prefix: /orders, auth: none, backend: full, mirror: {backend: "`+named(t, "copies", copied)+`", percent: 100}}
`, "")
	first := make(chan int)
	go func() { first <- k.get("/orders/first").StatusCode }()
	<-started
	for range 200 {
		if a := k.do("POST", "/orders", strings.NewReader("a body")); a.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("the answer is %d", a.StatusCode)
		}
	}
	k.awaitCopies("orders", "incomplete", 200)
	close(release)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first request is answered %d", status)
	}
	if a := k.do("POST", "/orders", strings.NewReader("a body")); a.StatusCode != http.StatusOK {
		t.Fatalf("the answer is %d", a.StatusCode)
	}
	k.awaitCopies("orders", "sent", 2)
}
