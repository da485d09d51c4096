package forward

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/route"
)

// quietMetrics counts nothing.
type quietMetrics struct{}

func (quietMetrics) Backend(bool)                 {}
func (quietMetrics) Sent(int64)                   {}
func (quietMetrics) Received(int64)               {}
func (quietMetrics) ResponseHeader(time.Duration) {}
func (quietMetrics) Mirrored(MirrorResult)        {}

// newBackend returns a Backend that injects the identity of a member.
func newBackend() *Backend {
	cfg := &config.Config{Identity: config.Identity{Headers: map[string]string{
		"X-User-ID": "sub", "X-Company-ID": "company_id", "X-User-Email": "email",
	}}}
	only := &url.URL{Scheme: "http", Host: "127.0.0.1:9"}
	return NewBackend(BackendOptions{
		Route: &config.Route{Name: "strict", Prefix: "/strict", Backend: &config.BackendRef{URL: only}, Auth: config.PolicyStrict}, URL: only,
		Headers: NewHeaderPolicy(cfg), Metrics: quietMetrics{},
	})
}

var member = &auth.Identity{
	UserID: "11111111-1111-4111-8111-111111111111", CompanyID: "22222222-2222-4222-8222-222222222222", Email: "user@example.com",
}

// BenchmarkRewrite measures how the gateway makes the headers of a request, as a map.
// The client sends the headers of a browser, and one that must be removed.
func BenchmarkRewrite(b *testing.B) {
	backend := newBackend()
	header := http.Header{
		"Authorization": {"Bearer token"}, "Origin": {"https://app.example.com"}, "User-Agent": {"benchmark"}, "Cookie": {"theme=dark"},
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"en"}, "Referer": {"https://app.example.com/"},
		"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-site"}, "X-User-Id": {"evil"},
	}
	in := &http.Request{URL: &url.URL{Path: "/strict"}, Header: header, Host: "gate.example.com", RemoteAddr: "192.0.2.1:4711"}
	b.ReportAllocs()
	for b.Loop() {
		t := &Transfer{backend: backend, Facts: Facts{
			In: in, Identity: member, ID: "id", Caller: clientip.Find(clientip.PeerAt(in.RemoteAddr), in, nil), Path: route.Path{Raw: "/strict"},
		}}
		r := in.WithContext(context.WithValue(b.Context(), attemptKey{}, t.newAttempt()))
		r.Header = nil
		backend.rewrite(&httputil.ProxyRequest{In: r, Out: r.Clone(r.Context())})
	}
}

// BenchmarkForbidden checks names that may all pass.
func BenchmarkForbidden(b *testing.B) {
	policy := newBackend().policy
	header := http.Header{}
	for i := range 15 {
		header.Set(fmt.Sprintf("X-Other-%d", i), "value")
	}
	b.ReportAllocs()
	for b.Loop() {
		for name := range header {
			if policy.forbidden(name, false, false) {
				b.Fatal(name)
			}
		}
	}
}

// BenchmarkInject measures adding an identity to a header map with room for it.
func BenchmarkInject(b *testing.B) {
	t := &Transfer{backend: newBackend(), Facts: Facts{Identity: member}}
	header := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		t.values.used = 0
		t.inject(func(name string, values []string) { header[name] = values })
	}
}
