package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// sendRaw sends bytes to a gateway over a connection of their own, and gives the
// answer.
func sendRaw(t *testing.T, gateway, text string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(gateway, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testTimeout))
	begin, rest, _ := strings.Cut(text, "\n")
	for _, piece := range []string{begin, "\n" + rest} {
		if _, err := io.WriteString(conn, piece); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// TestOldCoding sends HTTP/1.0 requests with a Transfer-Encoding, which HTTP/1.0
// has not: nobody can tell where they end (RFC 9112 section 6.1).
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
