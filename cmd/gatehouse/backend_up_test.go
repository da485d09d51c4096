package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"gatehouse/internal/testkit"
)

// TestBackendUp checks gatehouse_backend_up for backends that cannot be reached
// in various ways, and for some that can (issue 10).
func TestBackendUp(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	silent := testkit.ServeRaw(t, func(net.Conn) { <-ended })
	closes := testkit.ServeRaw(t, func(net.Conn) {})
	garbage := testkit.ServeRaw(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "220 mail ready\r\n\r\n") })
	refused := testkit.RefusingAddress(t)
	t.Cleanup(func() { close(ended) }) // before the servers above wait for their connections
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/slow") {
			select {
			case <-ended:
			case <-r.Context().Done():
			}
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	at := func(server *httptest.Server) string { return server.Listener.Addr().String() }
	h2c := strings.TrimPrefix(testkit.ServeH2C(t, answer), "http://")
	cases := []struct {
		name, url, route string
		up               bool
	}{
		{"refused", "http://" + refused, "", false},
		{"refused-h2c", "http://" + refused, "protocol: h2c", false},
		{"refused-tls", "https://" + refused, "", false},
		{"no-name", "http://no-such-host.invalid:80", "connect_timeout: 1s", false},
		{"no-name-tls", "https://no-such-host.invalid:443", "connect_timeout: 1s", false},
		{"bad-certificate", "https://" + at(secure), "", false},
		{"no-tls", "https://" + at(plain), "", false},
		{"silent-handshake", "https://" + silent, "connect_timeout: 500ms", false},
		{"silent-handshake-short", "https://" + silent, "timeout: 500ms", false},
		{"silent-h2c", "http://" + silent, "protocol: h2c, timeout: 500ms", false},
		{"closes", "http://" + closes, "", false},
		{"closes-h2c", "http://" + closes, "protocol: h2c", false},
		{"closes-tls", "https://" + closes, "", false},
		{"garbage", "http://" + garbage, "", false},
		{"garbage-h2c", "http://" + garbage, "protocol: h2c", false},
		{"no-h2c", "http://" + at(plain), "protocol: h2c", false},
		{"fine", "http://" + at(plain), "timeout: 500ms", true},
		{"fine-h2c", "http://" + h2c, "protocol: h2c, timeout: 500ms", true},
	}
	table := "users: off\ndefaults: {auth: none}\nroutes:\n"
	for _, c := range cases {
		more := c.route
		if more != "" {
			more = ", " + more
		}
		table += "  - {name: " + c.name + ", prefix: /" + c.name + ", backend: '" + c.url + "'" + more + "}\n"
	}
	for _, transport := range []string{"lean", "standard"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			gateway := start(t, testkit.TempFile(t, "routes.yaml", table), map[string]string{"GATEWAY_TRANSPORT": transport})
			var all sync.WaitGroup
			for _, c := range cases {
				all.Go(func() {
					if !c.up {
						if a := do(t, request{url: gateway.url + "/" + c.name}); a.status == http.StatusInternalServerError {
							t.Errorf("%s: status %d", c.name, a.status)
						}
						return
					}
					testkit.Eventually(t, c.name+" answers in time", func() bool {
						return do(t, request{url: gateway.url + "/" + c.name}).status == http.StatusInternalServerError
					})
					// A slow endpoint does not make the backend count as down.
					if a := do(t, request{url: gateway.url + "/" + c.name + "/slow"}); a.status != http.StatusGatewayTimeout {
						t.Errorf("%s, slow: status %d", c.name, a.status)
					}
				})
			}
			all.Wait()
			metrics := do(t, request{url: gateway.operators + "/metrics"}).body
			for _, c := range cases {
				_, address, _ := strings.Cut(c.url, "://")
				want := `gatehouse_backend_up{backend="` + address + `",route="` + c.name + `"} 0`
				if c.up {
					want = strings.TrimSuffix(want, "0") + "1"
				}
				if !strings.Contains(metrics, want+"\n") {
					t.Errorf("no %s", want)
				}
			}
		})
	}
}
