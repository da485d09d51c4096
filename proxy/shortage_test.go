package proxy

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/internal/descriptors"
	"gatehouse/internal/testkit"
	"gatehouse/proxy/upstream"
)

// A connection to a backend fails if it would use a reserved descriptor.
func TestDescriptorsOfBackends(t *testing.T) {
	backend, err := url.Parse(testkit.Serve(t, mirror))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		of    descriptors.Division
		short bool
	}{
		"unknown": {descriptors.Division{}, false},
		"enough":  {descriptors.Divide(1 << 20), false},
		"short":   {descriptors.Division{Limit: 64, Clients: 1, Backends: 1}, true}, // the standard streams use 0 to 2
	} {
		pool := upstream.NewPool(upstream.PoolOptions{Control: c.of.Control})
		transport, err := pool.Get(new(upstream.Set), &config.Route{Backend: &config.BackendRef{URL: backend}, ConnectTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, backend.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(r)
		if descriptors.IsShortage(err) != c.short || (err == nil) == c.short {
			t.Errorf("%s: %v, want a shortage: %t", name, err, c.short)
		}
		if err == nil {
			_ = res.Body.Close()
			transport.CloseIdleConnections()
		}
	}
}
