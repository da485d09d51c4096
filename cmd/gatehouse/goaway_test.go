package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// TestNoPostIsLostBehindNginx uses a real nginx that ends its HTTP/2
// connections every 20 requests by GOAWAY, as it does by default every 1,000
// (issue 10). The gateway must send again, with its body, what nginx reports as
// not processed.
func TestNoPostIsLostBehindNginx(t *testing.T) {
	t.Parallel()
	const requests, clients = 1500, 8
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n)
	}))
	t.Cleanup(origin.Close)
	certificate, key, _ := selfSigned(t)
	rotates := "client_body_buffer_size 256k; keepalive_requests 20; location / { proxy_pass " + origin.URL + "; }"
	for _, c := range []struct{ name, listen, server, scheme, route string }{
		{"h2c", "http2", rotates, "http", "protocol: h2c"},
		{"TLS", "ssl http2", "ssl_certificate " + certificate + "; ssl_certificate_key " + key + "; " + rotates, "https", "tls: {ca: " + certificate + "}"},
		{"TLS, HTTP/1.1", "ssl", "ssl_certificate " + certificate + "; ssl_certificate_key " + key + "; " + rotates, "https", "tls: {ca: " + certificate + "}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			address := strings.TrimPrefix(listenNginx(t, c.listen, c.server), "http://")
			gateway := start(t, testkit.TempFile(t, "routes.yaml", `
users: off
routes:
  - {name: open, prefix: /, backend: '`+c.scheme+`://`+address+`', auth: none, `+c.route+`}
`), nil)
			var left, lost atomic.Int64
			left.Store(requests)
			var all sync.WaitGroup
			for client := range clients {
				all.Go(func() {
					transport := new(http.Transport)
					defer transport.CloseIdleConnections()
					for left.Add(-1) >= 0 {
						size := 1 + client*8000
						var body io.Reader = strings.NewReader(strings.Repeat("x", size))
						if client%2 == 1 {
							body = io.MultiReader(body) // of unknown length
						}
						req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway.url+"/", body)
						if err != nil {
							t.Error(err)
							return
						}
						res, err := transport.RoundTrip(req)
						if err != nil {
							t.Error(err)
							return
						}
						got, err := io.ReadAll(res.Body)
						res.Body.Close()
						if err != nil || res.StatusCode != http.StatusOK || string(got) != fmt.Sprint(size) {
							if lost.Add(1) == 1 {
								t.Errorf("a POST of %d bytes: %d %q, %v\n%s", size, res.StatusCode, got, err, gateway.log)
							}
						}
					}
				})
			}
			all.Wait()
			if n := lost.Load(); n > 0 {
				t.Errorf("%d of %d POSTs were lost", n, requests)
			}
		})
	}
}
