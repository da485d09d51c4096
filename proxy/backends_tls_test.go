package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// A TLS handshake that fails costs nothing: the request goes to the other server, whatever
// its method and its body. One server ends connections before the handshake, one does not
// speak TLS.
func TestFailedHandshakeIsRetried(t *testing.T) {
	t.Parallel()
	closing := testkit.ServeRaw(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
	})
	plain := testkit.ServeRaw(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	})
	for name, broken := range map[string]string{"closes": closing, "does not speak TLS": plain} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var up atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				up.Add(1)
				_, _ = io.WriteString(w, r.Proto)
			}))
			server.EnableHTTP2 = true
			server.StartTLS()
			t.Cleanup(server.Close)
			ca := testkit.TempFile(t, "ca.pem", string(testkit.CertificatePEM(server.Certificate())))
			k := startBefore(t, `
backends:
  orders: {servers: ["`+server.URL+`", "https://`+broken+`"], balance: round_robin, passive: off, tls: {ca: `+ca+`}}
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
`, "")
			for i := range 20 {
				if a := k.do("POST", "/orders", strings.NewReader(strings.Repeat("x", i*10_000))); a.StatusCode != http.StatusOK || a.body != "HTTP/2.0" {
					t.Errorf("a POST of %d bytes is answered %d %q", i*10_000, a.StatusCode, a.body)
				}
			}
			if up.Load() != 20 {
				t.Errorf("the server got %d requests, want 20", up.Load())
			}
		})
	}
}
