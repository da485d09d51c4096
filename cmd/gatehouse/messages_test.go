package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// sendRaw sends bytes to a gateway over a connection of their own, and gives the
// answer.
func sendRaw(t *testing.T, gateway, text string) *http.Response {
	t.Helper()
	client := testkit.Dial(t, gateway)
	begin, rest, _ := strings.Cut(text, "\n")
	client.Send(begin)
	client.Send("\n" + rest)
	return client.ReceiveHead()
}

// TestOldCoding sends HTTP/1.0 requests with a Transfer-Encoding, which
// HTTP/1.0 does not have: their end is unknown (RFC 9112 section 6.1).
func TestOldCoding(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(backend.Close)
	gateway := start(t, openTable(t, backend.URL), nil)
	const chunked = "3\r\nabc\r\n0\r\n\r\n"
	for _, test := range []struct {
		head, body string
		status     int
	}{
		{"POST /open HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", chunked, 400},
		{"POST /open HTTP/1.0\r\nHost: x\r\nX: y\r\ntransfer-encoding:chunked\r\n\r\n", chunked, 400},
		{"POST /open HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 13\r\n\r\n", chunked, 400},
		{"GET /open HTTP/1.0\nTransfer-Encoding: gzip\n\n", "", 400},
		{"POST /open HTTP/1.0\r\nTransfer-Encoding:\r\n\r\n", "", 400},
		{"POST /open HTTP/1.0\r\nContent-Length: 3\r\n\r\n", "abc", 200},
		{"POST /open HTTP/1.0\r\n\r\n", "", 200},
		{"GET /open HTTP/1.0\r\nHost: x\r\nX: Transfer-Encoding: chunked\r\n\r\n", "", 200},
		{"POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", chunked, 200},
	} {
		res := sendRaw(t, gateway.url, test.head+test.body)
		if res.StatusCode != test.status {
			t.Errorf("%q = %d, want %d", test.head, res.StatusCode, test.status)
		}
		if !res.Close && res.Header.Get("Connection") != "close" && strings.Contains(test.head, "HTTP/1.0") {
			t.Errorf("%q leaves the connection open", test.head)
		}
	}
}

// TestOldFramingBehindNetHTTP tests connections that net/http reads. It hides a
// Transfer-Encoding of HTTP/1.0, so the body would be lost without an error.
func TestOldFramingBehindNetHTTP(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(backend.Close)
	table := openTable(t, backend.URL)
	certificate, key, _ := selfSigned(t)
	overTLS := map[string]string{"GATEWAY_TLS_CERT_FILE": certificate, "GATEWAY_TLS_KEY_FILE": key}
	for name, settings := range map[string]map[string]string{"TLS": overTLS, "standard": {"GATEWAY_TRANSPORT": "standard"}, "handed off": nil} {
		t.Run(name, func(t *testing.T) {
			gateway := start(t, table, settings)
			for _, test := range []struct {
				request string
				status  int
			}{
				{"POST /open HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400},
				{"PUT /open HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400},
				{"POST /open HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", 200},
				{"POST /open HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 200},
				{"GET /open HTTP/1.0\r\n\r\n", 200},
				{"POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200},
			} {
				reached.Store(0)
				res := askBehind(t, gateway.url, name == "handed off", test.request)
				if res.StatusCode != test.status || !res.Close {
					t.Errorf("%q = %d, closes: %v; want %d", test.request, res.StatusCode, res.Close, test.status)
				}
				var want int32
				if test.status == http.StatusOK {
					want++
				}
				if name == "handed off" {
					want++ // the request in front
				}
				if got := reached.Load(); got != want {
					t.Errorf("%q: %d requests reached the backend, want %d", test.request, got, want)
				}
			}
		})
	}
}

// askBehind sends a request on a connection of its own, after another request
// that net/http has read, if the test wants that.
func askBehind(t *testing.T, gateway string, behind bool, request string) *http.Response {
	t.Helper()
	client := testkit.Dial(t, gateway)
	if strings.HasPrefix(gateway, "https:") {
		client = testkit.NewClient(t, tls.Client(client.Conn, &tls.Config{InsecureSkipVerify: true})) //nolint:gosec // a certificate of its own
	}
	if behind {
		client.Send("GET http://x/open HTTP/1.1\r\nHost: x\r\n\r\n") // the absolute form is net/http's
		client.Receive()
	}
	client.Send(request)
	return client.ReceiveHead()
}
