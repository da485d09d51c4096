package proxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/proxy/clientip"
	routing "gatehouse/proxy/route"
)

// oneUser is in memory: what is measured is the gateway.
type oneUser auth.UserState

func (u oneUser) UserState(context.Context, uuid.UUID) (auth.UserState, error) {
	return auth.UserState(u), nil
}

// nowhere is a ResponseWriter that keeps nothing.
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
func (quietMetrics) Started()                                   {}
func (quietMetrics) Finished(string, int, time.Duration, int64) {}
func (quietMetrics) Sent(int64)                                 {}
func (quietMetrics) Decided(auth.Result)                        {}
func (quietMetrics) Backend(bool)                               {}

// BenchmarkStrictRequest is the whole handler with everything on, between a
// request that was read and a backend that answers at once; beside it the same
// without a policy.
func BenchmarkStrictRequest(b *testing.B) {
	for _, path := range []string{"/strict", "/none"} {
		b.Run(path[1:], func(b *testing.B) {
			k := newKit(b, identityTable+"cors: {origins: [\"https://app.example.com\"]}\n", "http://127.0.0.1:9")
			k.parts.Gate = auth.NewGate(k.verifier, oneUser{Active: true, CompanyID: &testCompany, Role: "user"})
			k.parts.Metrics = quietMetrics{}
			k.gateway = NewGateway(Options{Log: slog.New(slog.DiscardHandler), Metrics: quietMetrics{}, Transports: k.parts.Transports})
			table := k.compile(identityTable + "cors: {origins: [\"https://app.example.com\"]}\n")
			for _, r := range table.routes {
				r.proxy.Transport = new(silentBackend)
				r.lean = false
			}
			k.gateway.Swap(table)
			header := http.Header{
				"Authorization": {k.member()}, "Origin": {"https://app.example.com"}, "User-Agent": {"benchmark"},
				"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "X-User-Id": {"evil"},
			}
			b.ReportAllocs()
			for b.Loop() {
				r := &http.Request{
					Method: http.MethodGet, URL: &url.URL{Path: path}, RequestURI: path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
					Header: header.Clone(), Host: "gate.example.com", RemoteAddr: "192.0.2.1:4711", Body: http.NoBody,
				}
				w := &nowhere{header: make(http.Header, 8)}
				k.gateway.ServeHTTP(w, r.WithContext(b.Context()))
				if w.status != http.StatusOK {
					b.Fatalf("status %d", w.status)
				}
			}
		})
	}
}

// BenchmarkServed is a small request from the client's socket to the backend's and
// back, on one connection; allocations are those of all three.
func BenchmarkServed(b *testing.B) {
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = backend.Close() })
	go func() {
		for {
			c, err := backend.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 8<<10)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok")
				}
			}()
		}
	}()
	k := newKit(b, identityTable, "http://"+backend.Addr().String())
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

// BenchmarkRewrite is what the gateway itself does to the headers of a request,
// as a map: what a browser sends, with a claim that must go.
func BenchmarkRewrite(b *testing.B) {
	k := newKit(b, identityTable, "http://127.0.0.1:9")
	table := k.compile(identityTable)
	header := http.Header{
		"Authorization": {k.member()}, "Origin": {"https://app.example.com"}, "User-Agent": {"benchmark"}, "Cookie": {"theme=dark"},
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"en"}, "Referer": {"https://app.example.com/"},
		"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-site"}, "X-User-Id": {"evil"},
	}
	identity := &auth.Identity{UserID: testUser.String(), CompanyID: testCompany.String(), Email: "user@example.com"}
	in := &http.Request{URL: &url.URL{Path: "/strict"}, Header: header, Host: "gate.example.com", RemoteAddr: "192.0.2.1:4711"}
	route := table.routes[0]
	b.ReportAllocs()
	for b.Loop() {
		x := &exchange{table: table, route: route, sent: in, identity: identity, id: "id", caller: clientip.Find(clientip.PeerAt(in.RemoteAddr), in, nil), path: routing.Path{Raw: "/strict"}}
		r := in.WithContext(context.WithValue(b.Context(), attemptKey{}, x.newAttempt()))
		r.Header = nil
		table.rewrite(route, &httputil.ProxyRequest{In: r, Out: r.Clone(r.Context())})
	}
}

// BenchmarkForbidden looks at names of which none has to go.
func BenchmarkForbidden(b *testing.B) {
	table := newKit(b, identityTable, "http://127.0.0.1:9").compile(identityTable)
	header := http.Header{}
	for i := range 15 {
		header.Set(fmt.Sprintf("X-Other-%d", i), "value")
	}
	b.ReportAllocs()
	for b.Loop() {
		for name := range header {
			if table.forbidden(name, table.routes[0], false) {
				b.Fatal(name)
			}
		}
	}
}

// BenchmarkInject writes an identity into headers that have room for it.
func BenchmarkInject(b *testing.B) {
	table := newKit(b, identityTable, "http://127.0.0.1:9").compile(identityTable)
	x := &exchange{identity: &auth.Identity{UserID: testUser.String(), CompanyID: testCompany.String(), Email: "user@example.com"}}
	header := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		x.singlesUsed = 0
		x.inject(table.identity, func(name string, values []string) { header[name] = values })
	}
}
