package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// relay copies bytes between clients and a server until it is frozen. Then its
// connections stay open and carry no data, as after a firewall has dropped
// them. New connections work.
type relay struct {
	address string

	mu     sync.Mutex
	frozen chan struct{} // closed when the connections made until then are frozen
	opened int
}

func startRelay(t testing.TB, to string) *relay {
	t.Helper()
	r := &relay{frozen: make(chan struct{})}
	ended := make(chan struct{})
	r.address = testkit.ServeRaw(t, func(client net.Conn) {
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		r.mu.Lock()
		frozen := r.frozen
		r.opened++
		r.mu.Unlock()
		go pass(server, client, frozen, ended)
		pass(client, server, frozen, ended)
	})
	t.Cleanup(func() { close(ended) })
	return r
}

func pass(to, from net.Conn, frozen, ended <-chan struct{}) {
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		select {
		case <-frozen: // both ends stay open
			<-ended
			to.Close()
			from.Close()
			return
		default:
		}
		if _, failed := to.Write(piece[:n]); err != nil || failed != nil {
			to.Close()
			from.Close()
			return
		}
	}
}

// freeze freezes the connections that there are.
func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.frozen)
	r.frozen = make(chan struct{})
}

func (r *relay) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

// within sends a request with its own time limit, and returns 0 when there is
// no answer in time.
func within(t testing.TB, limit time.Duration, url string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// TestFrozenBackendConnection freezes the one HTTP/2 connection to a backend.
// New requests must soon use another one, whether the first ones end by the
// route's timeout or by the client's (issue 10).
func TestFrozenBackendConnection(t *testing.T) {
	t.Parallel()
	answer := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }
	plain := testkit.ServeH2C(t, answer)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(answer))
	certificate, key, _ := selfSigned(t)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	secure.TLS, secure.EnableHTTP2 = &tls.Config{Certificates: []tls.Certificate{pair}}, true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, c := range []struct{ name, scheme, to, route string }{
		{"h2c, short timeout", "http", strings.TrimPrefix(plain, "http://"), "protocol: h2c, timeout: 1s"},
		{"h2c, long timeout", "http", strings.TrimPrefix(plain, "http://"), "protocol: h2c, timeout: 10m"},
		{"TLS, short timeout", "https", strings.TrimPrefix(secure.URL, "https://"), "timeout: 1s, tls: {ca: " + certificate + "}"},
		{"TLS, long timeout", "https", strings.TrimPrefix(secure.URL, "https://"), "timeout: 10m, tls: {ca: " + certificate + "}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, c.to)
			gateway := start(t, testkit.TempFile(t, "routes.yaml", `
users: off
routes:
  - {name: open, prefix: /, backend: '`+c.scheme+`://`+r.address+`', auth: none, `+c.route+`}
`), nil)
			a := do(t, request{url: gateway.url + "/"})
			if a.status != http.StatusOK || a.body != "HTTP/2.0" || r.connections() != 1 {
				t.Fatalf("%d %q over %d connections", a.status, a.body, r.connections())
			}
			r.freeze()
			testkit.Eventually(t, "requests are answered over a new connection", func() bool {
				return within(t, 2*time.Second, gateway.url+"/") == http.StatusOK
			})
		})
	}
}

// TestFrozenIdleConnections freezes many idle HTTP/1.1 connections. They may
// cost one request in total.
func TestFrozenIdleConnections(t *testing.T) {
	t.Parallel()
	const idle = 8
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
		{"TLS", "https", ", protocol: http1, tls: {ca: " + certificate + "}", "lean", &pair},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			together := make(chan struct{})
			var arrived sync.WaitGroup
			arrived.Add(idle)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/together" {
					arrived.Done()
					<-together
				}
			}))
			if c.pair == nil {
				server.Start()
			} else {
				server.TLS = &tls.Config{Certificates: []tls.Certificate{*c.pair}}
				server.StartTLS()
			}
			t.Cleanup(server.Close)
			r := startRelay(t, server.Listener.Addr().String())
			gateway := start(t, testkit.TempFile(t, "routes.yaml", `
users: off
routes:
  - {name: patient, prefix: /together, backend: '`+c.scheme+`://`+r.address+`', auth: none`+c.route+`}
  - {name: open, prefix: /, backend: '`+c.scheme+`://`+r.address+`', auth: none, timeout: 5s`+c.route+`}
`), map[string]string{"GATEWAY_TRANSPORT": c.transport})
			var all sync.WaitGroup
			for range idle {
				all.Go(func() { do(t, request{url: gateway.url + "/together"}) })
			}
			arrived.Wait()
			close(together)
			all.Wait()
			r.freeze()
			lost := 0
			for do(t, request{url: gateway.url + "/"}).status != http.StatusOK {
				if lost++; lost > 1 {
					t.Fatalf("%d requests were lost, want 1 at most", lost)
				}
			}
		})
	}
}
