package auth

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"
)

// This file holds what the tests of this package share.

// detailOf reads the sentence out of an error's body.
func detailOf(t testing.TB, body []byte) string {
	t.Helper()
	var answer struct {
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("read %q: %v", body, err)
	}
	return answer.Detail
}

// liveIssuers is a pool of key sources with one issuer, and a verifier for it.
type liveIssuers struct {
	*keys.Sources
	*Verifier
}

// newLiveIssuers reads the issuer's keys as keystest.NewLiveSources does.
func newLiveIssuers(t testing.TB, transport http.RoundTripper, tokens ...config.Issuer) liveIssuers {
	t.Helper()
	sources, issuers, _ := keystest.NewLiveSources(t, transport, tokens...)
	return liveIssuers{sources, NewVerifier(keystest.NewRing(t, authtest.Secret), issuers, authtest.AtNoon)}
}

// expect holds the answer to a token against the one wanted.
func (l liveIssuers) expect(t testing.TB, token string, want *httperr.Error) {
	t.Helper()
	expectRefusal(t, l.Verifier, token, want)
}

func expectRefusal(t testing.TB, verifier *Verifier, token string, want *httperr.Error) {
	t.Helper()
	_, got := verifier.Verify(t.Context(), token)
	authtest.ExpectRefusal(t, got, want)
}

// verifierOf has the issuers' keys read once, here and now.
func verifierOf(t testing.TB, tokens ...config.Issuer) *Verifier {
	t.Helper()
	sources := keys.NewSources(keys.SourcesOptions{Log: slog.New(slog.DiscardHandler), Now: authtest.AtNoon})
	t.Cleanup(sources.Close)
	return verifierFrom(t, sources, tokens...)
}

// verifierFrom waits until the issuers' keys were read.
func verifierFrom(t testing.TB, sources *keys.Sources, tokens ...config.Issuer) *Verifier {
	t.Helper()
	issuers := sources.Issuers(tokens)
	sources.Begin(t.Context(), issuers)
	sources.Activate(issuers)
	for _, state := range sources.States() {
		if state.Problem != nil {
			t.Fatal(state.Problem)
		}
	}
	return NewVerifier(keystest.NewRing(t, authtest.Secret), issuers, authtest.AtNoon)
}

// place is a file of keys whose content is changed by hand.
type place struct {
	sources  *keys.Sources
	verifier *Verifier
	content  atomic.Pointer[[]byte]
}

const placeName = "keys of the tests"

func newPlace(t testing.TB, content []byte) (*place, *Verifier) {
	t.Helper()
	p := new(place)
	p.content.Store(&content)
	p.sources = keys.NewSources(keys.SourcesOptions{
		Log: slog.New(slog.DiscardHandler), Now: authtest.AtNoon,
		ReadFile: func(string) ([]byte, error) { return *p.content.Load(), nil },
	})
	t.Cleanup(p.sources.Close)
	p.verifier = verifierFrom(t, p.sources, authtest.Listed(placeName))
	return p, p.verifier
}

// publish changes the content, and waits until it was read.
func (p *place) publish(t testing.TB, content []byte) {
	t.Helper()
	before := p.verifier.issuers.Named(authtest.IssuerName).Version()
	p.content.Store(&content)
	p.sources.Reread(placeName)
	testkit.Eventually(t, "the keys are read", func() bool { return !before.Current() })
}
