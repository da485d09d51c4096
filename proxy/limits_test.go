package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// TestRequestsPerClient keeps as many requests running as one client may have. One more
// must be refused. Other clients, which a trusted proxy identifies, are not affected.
func TestRequestsPerClient(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	k := start(t, `
users: off
trusted_proxies: [127.0.0.0/8]
limits: {requests_per_client: 2}
cors: {origins: ["https://app.example.com"]}
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none}
`, func(w http.ResponseWriter, _ *http.Request) {
		flush(w)
		<-release
	})
	get := func(client string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, k.url+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", client)
		r.Header.Set("Origin", "https://app.example.com")
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	held := []*http.Response{get("192.0.2.1"), get("192.0.2.1"), get("2001:db8::1"), get("2001:db8::2")}
	for _, client := range []string{"192.0.2.1", "2001:db8::3"} {
		res := get(client)
		if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "1" ||
			res.Header.Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("%s, one too many: %d %v", client, res.StatusCode, res.Header)
		}
	}
	for _, client := range []string{"192.0.2.2", "2001:db8:0:1::1"} {
		if res := get(client); res.StatusCode != http.StatusOK {
			t.Errorf("%s, another client: %d", client, res.StatusCode)
		}
	}
	k.wantLimitRefusals(t, LimitRequestsPerClient, 2)
	close(release)
	for _, res := range held {
		_, _ = io.Copy(io.Discard, res.Body)
	}
	testkit.Eventually(t, "a place that became free is given again", func() bool { return get("192.0.2.1").StatusCode == http.StatusOK })
}

// TestConnections opens as many connections as the limit allows. One more must be closed at
// once. When a connection ends, another must be accepted.
func TestConnections(t *testing.T) {
	t.Parallel()
	for limits, limit := range map[string]int{
		"connections: 3":                               3,
		"connections_per_client: 2":                    2,
		"connections: 0, connections_per_client: 0":    -1,
		"connections: 10, connections_per_client: 4":   4,
		"connections: 2, connections_per_client: 1000": 2,
	} {
		t.Run(limits, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, "users: off\nlimits: {"+limits+"}\nroutes:\n  - {name: open, prefix: /x, backend: 'http://127.0.0.1:9', auth: none}\n", "")
			listener := testkit.Listen(t)
			server := &http.Server{Handler: k.gateway, ReadHeaderTimeout: time.Minute}
			go func() { _ = server.Serve(k.gateway.Limit(listener)) }()
			t.Cleanup(func() { _ = server.Close() })
			// served reports whether a new connection is served; if so, it stays open.
			served := func() (net.Conn, bool) {
				conn, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				_, _ = fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				n, _ := conn.Read(make([]byte, 1))
				return conn, n == 1
			}
			var open []net.Conn
			for range 5 {
				if conn, ok := served(); ok {
					open = append(open, conn)
				}
			}
			if want := limit; want >= 0 && len(open) != want || want < 0 && len(open) != 5 {
				t.Fatalf("%d connections were served", len(open))
			}
			_ = open[0].Close()
			testkit.Eventually(t, "a place that became free is given again", func() bool { _, ok := served(); return ok })
		})
	}
}

// TestResponseHeaders checks that every answer has the configured headers once, in place
// of the backend's.
func TestResponseHeaders(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
response_headers: {Strict-Transport-Security: max-age=31536000, x-frame-options: DENY}
routes:
  - {name: open, prefix: /open, backend: "${BACKEND}", auth: none}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
`, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Frame-Options", "SAMEORIGIN") })
	for _, path := range []string{"/open", "/strict", "/nowhere", "/open/../x", "/health"} {
		res := k.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := res.Header["X-Frame-Options"]; len(got) != 1 || got[0] != "DENY" {
			t.Errorf("%s: X-Frame-Options %q", path, got)
		}
		if got := res.Header["Strict-Transport-Security"]; len(got) != 1 || got[0] != "max-age=31536000" {
			t.Errorf("%s: Strict-Transport-Security %q", path, got)
		}
	}
}
