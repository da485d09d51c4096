package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"gatehouse/internal/testkit"

	"github.com/coder/websocket"
)

// TestInterimAnswerOverHTTP2 sends a 103 to a client of HTTP/2, which may not
// carry fields of a connection (RFC 9113 section 8.2.2): a client that sees one
// fails with PROTOCOL_ERROR.
func TestInterimAnswerOverHTTP2(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		for _, name := range []string{"Connection", "Keep-Alive", "X-Request-Id", "X-Process-Time", "Access-Control-Allow-Origin"} {
			header.Set(name, "forged")
		}
		header.Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		clear(header)
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(backend.Close)
	certificate, key, _ := selfSigned(t)
	table := testkit.TempFile(t, "routes.yaml", "users: off\ncors: {origins: ['https://app.example.com']}\nroutes:\n  - {name: open, prefix: /open, backend: '"+backend.URL+"', auth: none}\n")
	gateway := start(t, table, map[string]string{"GATEWAY_TLS_CERT_FILE": certificate, "GATEWAY_TLS_KEY_FILE": key})
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a certificate of its own
	t.Cleanup(transport.CloseIdleConnections)
	var interim []textproto.MIMEHeader
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
		interim = append(interim, header)
		return nil
	}})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway.url+"/open", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.ProtoMajor != 2 || string(body) != "ok" {
		t.Errorf("%s %s %q, %v", res.Proto, res.Status, body, err)
	}
	if len(interim) != 1 || interim[0].Get("Link") == "" {
		t.Fatalf("interim answers: %v", interim)
	}
	for name, values := range interim[0] {
		if strings.Contains(strings.Join(values, ""), "forged") {
			t.Errorf("the 103 has %s: %q", name, values)
		}
	}
}

// TestStreamBytesAreMeasured looks for the bytes of a WebSocket in the metrics of
// the process while it is open.
func TestStreamBytesAreMeasured(t *testing.T) {
	t.Parallel()
	backend, _ := serveEchoSocket(t)
	gateway := start(t, openTable(t, backend), nil)
	socket, _, err := websocket.Dial(t.Context(), gateway.url+"/open/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat("x", 1000))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := socket.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The echo of 1,000 bytes has a head of 4 (RFC 6455 section 5.2).
	testkit.Eventually(t, "the bytes in the metrics", func() bool {
		return metric(t, gateway.operators, `gatehouse_http_response_bytes_total{route="open"}`) == "1004"
	})
}
