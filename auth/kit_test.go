package auth

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/internal/httperr"
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
	log *bytes.Buffer
}

// newLiveIssuers reads the issuer's keys in the background. Its time is that of the
// bubble (see testing/synctest) in which it is made.
func newLiveIssuers(t testing.TB, transport http.RoundTripper, tokens ...config.Issuer) liveIssuers {
	t.Helper()
	log := new(bytes.Buffer)
	sources := keys.NewSources(keys.SourcesOptions{
		Log: slog.New(slog.NewTextHandler(log, nil)), Transport: transport, Now: time.Now,
	})
	t.Cleanup(sources.Close)
	issuers := sources.Issuers(tokens)
	sources.Activate(issuers)
	return liveIssuers{sources, NewVerifier(newRing(t, authtest.Secret), issuers, authtest.AtNoon), log}
}

// expect holds the answer to a token against the one wanted.
func (l liveIssuers) expect(t testing.TB, token string, want *httperr.Error) {
	t.Helper()
	expectRefusal(t, l.Verifier, token, want)
}

func expectRefusal(t testing.TB, verifier *Verifier, token string, want *httperr.Error) {
	t.Helper()
	_, got := verifier.Verify(t.Context(), token)
	if !sameAnswer(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// sameAnswer reports whether two refusals are the same to a client and to the
// metrics, whatever the log says beside.
func sameAnswer(got, want *httperr.Error) bool {
	if got == nil || want == nil {
		return got == want
	}
	return got.Detail == want.Detail && got.Status == want.Status && got.AuthResult == want.AuthResult && got.Challenge == want.Challenge
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
	return NewVerifier(newRing(t, authtest.Secret), issuers, authtest.AtNoon)
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
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for before.Current() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Error("the keys were not read within a minute")
			return
		}
	}
}

func newRing(t testing.TB, secret string, previous ...string) keys.Ring {
	t.Helper()
	old := make([][]byte, len(previous))
	for i, p := range previous {
		old[i] = []byte(p)
	}
	keys, err := keys.FromSecret("HS256", []byte(secret), old...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
