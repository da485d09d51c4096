// Package keystest makes keys for the tests of auth/keys and of the packages
// that verify with them. It is separate from authtest, because the tests inside
// auth/keys use authtest.
package keystest

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/internal/testkit"
)

// NewRing returns a ring with a secret and previous secrets.
func NewRing(t testing.TB, secret string, previous ...string) keys.Ring {
	t.Helper()
	old := make([][]byte, len(previous))
	for i, p := range previous {
		old[i] = []byte(p)
	}
	ring, err := keys.FromSecret("HS256", []byte(secret), old...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// NewLiveSources reads the keys of issuers in the background until the test
// ends. It uses the time of the bubble (see testing/synctest) in which it is
// called.
func NewLiveSources(t testing.TB, transport http.RoundTripper, tokens ...config.Issuer) (*keys.Sources, *keys.Issuers, *testkit.Log) {
	t.Helper()
	log := new(testkit.Log)
	sources := keys.NewSources(keys.SourcesOptions{
		Log: slog.New(slog.NewTextHandler(log, nil)), Transport: transport, Now: time.Now,
	})
	t.Cleanup(sources.Close)
	issuers := sources.Issuers(tokens)
	sources.Activate(issuers)
	return sources, issuers, log
}
