package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// TestNothingIsLostByAge ends connections to backends all the time, and
// requires that no request on them is lost.
func TestNothingIsLostByAge(t *testing.T) {
	t.Parallel()
	certificate, key, _ := selfSigned(t)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, scheme, route, transport string
		pair                           *tls.Certificate
	}{
		{"lean", "http", "", "lean", nil},
		{"standard", "http", "", "standard", nil},
		{"h2c", "http", "protocol: h2c", "lean", nil},
		{"TLS", "https", "protocol: http1, tls: {ca: " + certificate + "}", "lean", &pair},
		{"TLS, HTTP/2", "https", "tls: {ca: " + certificate + "}", "lean", &pair},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, serveAt(t, "127.0.0.1:0", c.pair, c.route == "protocol: h2c", "fine"))
			route := strings.TrimSuffix("auth: none, "+c.route, ", ")
			gateway := start(t, testkit.TempFile(t, "routes.yaml", `
users: off
routes:
  - {name: open, prefix: /, backend: '`+c.scheme+`://`+r.address+`', `+route+`}
`), map[string]string{"GATEWAY_MAX_CONNECTION_AGE": "100ms", "GATEWAY_TRANSPORT": c.transport})
			// As long as it takes for several connections to have had their time.
			const enough = 12
			var sent atomic.Int64
			var clients sync.WaitGroup
			for range 4 {
				clients.Go(func() {
					transport := &http.Transport{DialContext: new(net.Dialer).DialContext}
					defer transport.CloseIdleConnections()
					for r.connections() < enough && t.Context().Err() == nil && !t.Failed() {
						for range 20 {
							req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway.url+"/", strings.NewReader("a body"))
							if err != nil {
								t.Error(err)
								return
							}
							sent.Add(1)
							res, err := transport.RoundTrip(req)
							if err != nil {
								t.Error(err)
								return
							}
							if res.StatusCode != http.StatusOK {
								t.Errorf("status %d", res.StatusCode)
							}
							res.Body.Close()
						}
					}
				})
			}
			clients.Wait()
			t.Logf("%d requests over %d connections", sent.Load(), r.connections())
		})
	}
}
