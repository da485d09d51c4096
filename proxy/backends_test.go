package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// named returns a server that answers with its name and the path, and its URL.
func named(t *testing.T, name string, requests *atomic.Int64) string {
	return testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, name, " ", r.URL.Path)
	})
}

// closedServer returns a URL whose port refuses connections.
func closedServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestServersOfABackend(t *testing.T) {
	t.Parallel()
	var one, two atomic.Int64
	k := startBefore(t, `
backends:
  orders:
    servers: [`+named(t, "one", &one)+`, {url: "`+named(t, "two", &two)+`", weight: 3}]
    balance: round_robin
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
`, "")
	for range 40 {
		if a := k.get("/orders/7"); a.StatusCode != http.StatusOK || !strings.HasSuffix(a.body, " /orders/7") {
			t.Fatalf("%d %q", a.StatusCode, a.body)
		}
	}
	if one.Load() != 10 || two.Load() != 30 {
		t.Errorf("the servers got %d and %d of 40 requests, want 10 and 30", one.Load(), two.Load())
	}
}

// A connection that is refused costs nothing: the request goes to the other server,
// whatever its method and its body.
func TestRefusedConnectionIsRetried(t *testing.T) {
	t.Parallel()
	var up atomic.Int64
	k := startBefore(t, `
backends:
  orders:
    servers: [`+named(t, "up", &up)+`, `+closedServer(t)+`]
    balance: round_robin
    passive: off
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
`, "")
	for i := range 20 {
		body := strings.Repeat("x", i*10_000)
		res, err := k.client().Do(k.request("POST", "/orders", strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("a POST of %d bytes is answered %d", len(body), res.StatusCode)
		}
	}
	if up.Load() != 20 {
		t.Errorf("the server got %d requests, want 20", up.Load())
	}
}
