package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestIdleTimeout holds GATEWAY_IDLE_TIMEOUT over every way to serve a client:
// a connection that has been idle for so long is closed, and not before.
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
				answerOn(t, conn, "GET /open HTTP/1.1\r\nHost: h\r\n\r\n")
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
func dialClient(t *testing.T, to *process, protocol string, roots *x509.CertPool) net.Conn {
	t.Helper()
	address := strings.TrimPrefix(to.url, "http://")
	conn, err := net.Dial("tcp", address)
	if err == nil && protocol != "" {
		encrypted := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", NextProtos: []string{protocol}})
		conn, err = encrypted, encrypted.Handshake()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testTimeout))
	return conn
}

// answerOn sends a request and reads its answer.
func answerOn(t *testing.T, conn net.Conn, text string) *http.Response {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		err = errors.Join(err, answer.Body.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
