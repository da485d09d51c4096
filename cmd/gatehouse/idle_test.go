package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	"golang.org/x/net/http2"
)

// TestIdleTimeout checks GATEWAY_IDLE_TIMEOUT for every way to serve a client:
// a connection is closed after so much idle time, and not earlier.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	const idle = 5 * time.Second // a busy machine may take a second for a handshake
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer backend.Close()
	certificate, key, roots := selfSigned(t)
	for name, c := range map[string]struct {
		transport string
		protocol  string // "" is plain
	}{
		"lean": {"lean", ""}, "standard": {"standard", ""}, "TLS": {"lean", "http/1.1"}, "HTTP2": {"lean", "h2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{"GATEWAY_TRANSPORT": c.transport, "GATEWAY_IDLE_TIMEOUT": idle.String()}
			if c.protocol != "" {
				settings["GATEWAY_TLS_CERT_FILE"], settings["GATEWAY_TLS_KEY_FILE"] = certificate, key
			}
			process := startProcess(t, openTable(t, backend.URL), settings)
			begun := time.Now() // before the gateway can begin to count
			conn := dialClient(t, process, c.protocol, roots)
			if c.protocol == "h2" {
				framer := http2.NewFramer(conn, conn)
				if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
					t.Fatal(err)
				}
				if err := framer.WriteSettings(); err != nil {
					t.Fatal(err)
				}
			} else {
				conn.Send("GET /open HTTP/1.1\r\nHost: h\r\n\r\n")
				conn.Receive()
			}
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("the connection did not end: %v", err)
			}
			if took := time.Since(begun); took < idle {
				t.Errorf("it was closed after %v", took)
			}
		})
	}
}

// dialClient connects to a gateway, over TLS where a protocol is named.
func dialClient(t *testing.T, to *process, protocol string, roots *x509.CertPool) *testkit.Client {
	t.Helper()
	client := testkit.Dial(t, to.url)
	if protocol == "" {
		return client
	}
	encrypted := tls.Client(client.Conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", NextProtos: []string{protocol}})
	if err := encrypted.Handshake(); err != nil {
		t.Fatal(err)
	}
	return testkit.NewClient(t, encrypted)
}
