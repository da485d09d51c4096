package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/forward"
)

// oneUser is a store with one user in memory, so that only the gateway is measured.
type oneUser auth.UserState

func (u oneUser) UserState(context.Context, uuid.UUID) (auth.UserState, error) {
	return auth.UserState(u), nil
}

// nowhere is a ResponseWriter that discards the body.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) Flush()                      {}

// quietMetrics counts nothing.
type quietMetrics struct{}

func (quietMetrics) Route(string, string) RouteMetrics          { return quietMetrics{} }
func (quietMetrics) Attempts(string) backend.Attempts           { return quietMetrics{} }
func (quietMetrics) Attempted(time.Duration)                    {}
func (quietMetrics) Started()                                   {}
func (quietMetrics) Finished(string, int, time.Duration, int64) {}
func (quietMetrics) Sent(int64)                                 {}
func (quietMetrics) Decided(auth.Result)                        {}
func (quietMetrics) Backend(bool)                               {}
func (quietMetrics) Failed(httperr.Reason)                      {}
func (quietMetrics) Received(int64)                             {}
func (quietMetrics) ResponseHeader(time.Duration)               {}
func (quietMetrics) Mirrored(forward.MirrorResult)              {}

// BenchmarkStrictRequest measures the whole handler with all features, from a request that
// was read to a backend that answers at once. It also measures the same without a policy,
// and with changes to headers in both directions.
func BenchmarkStrictRequest(b *testing.B) {
	const table = identityTable + `
  - name: changed
    prefix: /changed
    backend: "${BACKEND}"
    request_headers: {set: {X-Env: prod, X-Who: "{claim.email}", X-Where: "{host}"}, add: {X-Tag: edge}, remove: [X-Debug]}
    response_headers: {set: {X-Frame-Options: DENY, X-Served: "{route}"}, add: {Vary: Accept-Language}, remove: [Server]}
cors: {origins: ["https://app.example.com"]}
`
	for _, path := range []string{"/strict", "/none", "/changed"} {
		b.Run(path[1:], func(b *testing.B) {
			k := newQuietKit(b, table)
			k.parts.Gate = auth.NewGate(k.verifier, oneUser{Active: true, CompanyID: &testCompany, Role: "user"})
			k.measure(b, table, path, http.Header{
				"Authorization": {k.member()}, "Origin": {"https://app.example.com"}, "User-Agent": {"benchmark"},
				"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "X-User-Id": {"evil"},
			}, http.StatusOK)
		})
	}
}

// newQuietKit is newKit for a gateway that logs and counts nothing.
func newQuietKit(b *testing.B, table string) *kit {
	b.Helper()
	k := newKit(b, table, "http://127.0.0.1:9")
	k.parts.Metrics = quietMetrics{}
	k.gateway = NewGateway(Options{Log: slog.New(slog.DiscardHandler), Metrics: quietMetrics{}, Transports: k.parts.Transports})
	return k
}

// measure measures the whole handler for one GET, with a backend that answers at once.
func (k *kit) measure(b *testing.B, table, path string, header http.Header, status int) {
	b.Helper()
	compiled := k.compile(table)
	sendTo(compiled, new(silentBackend))
	k.gateway.Swap(compiled)
	b.ReportAllocs()
	for b.Loop() {
		r := &http.Request{
			Method: http.MethodGet, URL: &url.URL{Path: path}, RequestURI: path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: header.Clone(), Host: "gate.example.com", RemoteAddr: "192.0.2.1:4711", Body: http.NoBody,
		}
		w := &nowhere{header: make(http.Header, 8)}
		k.gateway.ServeHTTP(w, r.WithContext(b.Context()))
		if w.status != status {
			b.Fatalf("status %d", w.status)
		}
	}
}

// BenchmarkServed measures a small request from the client's socket to the backend's and
// back, on one connection. The allocations are those of client, gateway and backend.
func BenchmarkServed(b *testing.B) {
	backend := testkit.ServeRaw(b, func(conn net.Conn) {
		buf := make([]byte, 8<<10)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok")
		}
	})
	k := newKit(b, identityTable, "http://"+backend)
	k.gateway = NewGateway(Options{Log: slog.New(slog.DiscardHandler), Metrics: quietMetrics{}, Transports: k.parts.Transports})
	k.gateway.Swap(k.compile(identityTable))
	k.serve()
	w := k.dial()
	request := []byte("GET /strict HTTP/1.1\r\nHost: x\r\nUser-Agent: b\r\nAuthorization: " + k.member() + "\r\n\r\n")
	buf := make([]byte, 8<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Conn.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}
