package server

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/ops"
	"gatehouse/proxy"
	"gatehouse/proxy/upstream"
)

const testSecret = "a secret of the tests, 32 bytes or more"

// BenchmarkReload reads, checks, compiles, tests, compares and swaps a table,
// as an edit does.
func BenchmarkReload(b *testing.B) {
	for _, routes := range []int{100, 10_000} {
		b.Run(fmt.Sprint(routes, " routes"), func(b *testing.B) {
			r := benchReloader(b, routes)
			for b.Loop() {
				if _, _, err := r.reload(b.Context(), "benchmark"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGarbageCollection has the heap marked while a table is served, and
// tells what the table takes of it.
func BenchmarkGarbageCollection(b *testing.B) {
	for _, routes := range []int{100, 10_000} {
		b.Run(fmt.Sprint(routes, " routes"), func(b *testing.B) {
			before := heapInUse()
			r := benchReloader(b, routes)
			table := heapInUse() - before
			for b.Loop() {
				runtime.GC()
			}
			b.ReportMetric(float64(table)/float64(routes), "B/route")
			runtime.KeepAlive(r)
		})
	}
}

// TestReloadsLeaveNothing gives every table back that was replaced.
func TestReloadsLeaveNothing(t *testing.T) {
	const routes = 1000
	r := benchReloader(t, routes)
	reload := func() {
		if _, _, err := r.reload(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
	}
	reload()
	before := heapInUse()
	for range 10 {
		reload()
	}
	after := heapInUse()
	if grown := after - before; grown > before/4 { // a table is most of it
		t.Errorf("ten reloads: the heap grew from %d bytes by %d", before, grown)
	}
	runtime.KeepAlive(r)
}

// heapInUse returns the bytes that are left when all garbage is collected.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held on to
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// benchReloader makes a reloader of a table with many routes, already served.
func benchReloader(b testing.TB, routes int) *reloader {
	b.Helper()
	var table strings.Builder
	table.WriteString("users: off\nroutes:\n")
	for i := range routes {
		fmt.Fprintf(&table, "  - {name: r%d, prefix: /api/v%d/service-%d, backend: \"http://service-%d\", methods: [GET, POST]}\n", i, i%10, i, i%50)
	}
	file := filepath.Join(b.TempDir(), "routes.yaml")
	if err := os.WriteFile(file, []byte(table.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	ring, err := keys.FromSecret("HS256", []byte(testSecret))
	if err != nil {
		b.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	p := &parts{
		keys: ring, keySources: keys.NewSources(keys.SourcesOptions{Log: quiet, Now: time.Now}),
		metrics: ops.NewMetrics("bench"), transports: upstream.NewPool(upstream.PoolOptions{MaxIdle: 100}), log: quiet,
	}
	b.Cleanup(p.keySources.Close)
	r := &reloader{
		file: file, parts: p, log: quiet,
		gateway: proxy.NewGateway(proxy.Options{Log: quiet, Metrics: p.metrics, Transports: p.transports}),
	}
	cfg, err := config.Load(file, nil)
	if err != nil {
		b.Fatal(err)
	}
	first, err := p.compile(cfg)
	if err != nil {
		b.Fatal(err)
	}
	p.swap(r.gateway, first)
	return r
}
