package explain

import (
	"net/http"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/proxy"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/upstream"
)

// noMetrics counts nothing.
type noMetrics struct{}

func (noMetrics) Route(string, string) proxy.RouteMetrics    { return noMetrics{} }
func (noMetrics) Attempts(string) backend.Attempts           { return noMetrics{} }
func (noMetrics) Attempted(time.Duration)                    {}
func (noMetrics) Started()                                   {}
func (noMetrics) Finished(string, int, time.Duration, int64) {}
func (noMetrics) Sent(int64)                                 {}
func (noMetrics) Decided(auth.Result)                        {}
func (noMetrics) Backend(bool)                               {}
func (noMetrics) Failed(httperr.Reason)                      {}
func (noMetrics) Received(int64)                             {}
func (noMetrics) ResponseHeader(time.Duration)               {}
func (noMetrics) Mirrored(forward.MirrorResult)              {}

// endpoints is a built-in handler whose endpoints require a valid token.
type endpoints struct{ http.Handler }

func (endpoints) Rule(*http.Request) (auth.Rule, *httperr.Error) {
	return auth.Rule{Policy: config.PolicyInitial}, nil
}

// compile compiles a table. In its text, ${BACKEND} is the URL of the backend.
func compile(t testing.TB, table, backend string) *proxy.Table {
	t.Helper()
	return compileWith(t, table, backend, upstream.NewPool(upstream.PoolOptions{}))
}

// compileWith is compile with certain transports. Without any, files of `tls` are not read.
func compileWith(t testing.TB, table, backend string, transports *upstream.Pool) *proxy.Table {
	t.Helper()
	cfg, err := config.Parse("routes.yaml", []byte(table), func(name string) (string, bool) { return backend, name == "BACKEND" })
	if err != nil {
		t.Fatalf("parse table: %v\n%s", err, table)
	}
	compiled, err := proxy.Compile(cfg, proxy.Parts{
		Gate: auth.NewGate(nil, nil), Users: endpoints{}, Metrics: noMetrics{}, Transports: transports,
	})
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// newRequest is like NewRequest, for a valid request.
func newRequest(t testing.TB, method, target string, header http.Header) *http.Request {
	t.Helper()
	r, err := NewRequest(method, target, header)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
