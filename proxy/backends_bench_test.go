package proxy

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/auth"
)

// BenchmarkServers compares a backend without a name to named ones with several servers:
// the whole handler, with a backend that answers at once.
func BenchmarkServers(b *testing.B) {
	for _, c := range []struct {
		name, keys string
		servers    int
	}{
		{"url", "", 0},
		{"1", "", 1},
		{"3", "", 3},
		{"300", "", 300},
		{"3_round_robin", "balance: round_robin, ", 3},
		{"300_round_robin", "balance: round_robin, ", 300},
		{"3_hash", "balance: hash, hash: {header: X-Tenant}, ", 3},
		{"3_bounded", "max_requests: 1000, ", 3},
	} {
		b.Run(c.name, func(b *testing.B) {
			table := "routes:\n  - {name: strict, prefix: /strict, backend: \"http://127.0.0.1:9\"}\n"
			if c.servers > 0 {
				var servers []string
				for i := range c.servers {
					servers = append(servers, fmt.Sprintf("http://127.0.%d.%d:9", i/200, 1+i%200))
				}
				table = "backends:\n  orders: {" + c.keys + "servers: [" + strings.Join(servers, ", ") + "]}\n" +
					"routes:\n  - {name: strict, prefix: /strict, backend: orders}\n"
			}
			k := newKit(b, table, "http://127.0.0.1:9")
			k.parts.Gate = auth.NewGate(k.verifier, oneUser{Active: true, CompanyID: &testCompany, Role: "user"})
			k.parts.Metrics = quietMetrics{}
			k.gateway = NewGateway(Options{Log: slog.New(slog.DiscardHandler), Metrics: quietMetrics{}, Transports: k.parts.Transports, Backends: k.parts.Backends})
			compiled := k.compile(table)
			sendTo(compiled, new(silentBackend))
			k.gateway.Swap(compiled)
			header := http.Header{
				"Authorization": {k.member()}, "User-Agent": {"benchmark"}, "Accept": {"application/json"}, "X-Tenant": {"acme"},
			}
			b.ReportAllocs()
			for b.Loop() {
				r := &http.Request{
					Method: http.MethodGet, URL: &url.URL{Path: "/strict"}, RequestURI: "/strict", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
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
