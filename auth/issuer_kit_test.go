package auth

// This file holds what the tests of other issuers share: their servers, keys
// and tokens.

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"gatehouse/config"
	"gatehouse/internal/httperr"
)

const issuerName = "https://login.example.com/"

// namedKey is a private key with the id under which its issuer publishes it.
type namedKey struct {
	id  string
	key crypto.Signer
}

func newNamedKey(t testing.TB, id string) namedKey { return namedKey{id, newEC(t, elliptic.P256())} }

// token is one of the issuer, signed with ES256.
func (n namedKey) token(t testing.TB) string {
	t.Helper()
	return signedWith(t, jwt.SigningMethodES256, n.key, issued(nil), map[string]any{"kid": n.id})
}

// issued are the claims of a good token of the issuer, with changes.
func issued(changes jwt.MapClaims) jwt.MapClaims {
	all := claims(jwt.MapClaims{"iss": issuerName, "aud": "atenex"})
	for name, value := range changes {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

// jwks is the set that an issuer publishes.
func jwks(t testing.TB, keys ...namedKey) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, n := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: n.key.Public(), KeyID: n.id, Use: "sig"})
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// publicPEM is the key as a PEM file has it.
func publicPEM(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER(t, key)})
}

func publicDER(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// issuerServer publishes what it is told to, and counts how often.
type issuerServer struct {
	url      string
	requests atomic.Int32
	answer   atomic.Pointer[http.HandlerFunc]
}

func newIssuerServer(t testing.TB, keys ...namedKey) *issuerServer {
	t.Helper()
	s := new(issuerServer)
	s.publish(jwks(t, keys...))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL + "/jwks.json?client=secret"
	return s
}

func (s *issuerServer) publish(body []byte) {
	s.serve(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) })
}

func (s *issuerServer) serve(answer http.HandlerFunc) { s.answer.Store(&answer) }

func (s *issuerServer) expectRequests(t testing.TB, want int32) {
	t.Helper()
	if got := s.requests.Load(); got != want {
		t.Errorf("%d requests for keys, want %d", got, want)
	}
}

// listed is an entry of `tokens` that takes everything but an audience.
func listed(keys string) config.Issuer {
	return config.Issuer{Issuer: issuerName, Keys: keys, Algorithms: []string{"ES256", "RS256", "PS256", "EdDSA"}}
}

// liveIssuers is a pool of key sources with one issuer, and a verifier for it.
type liveIssuers struct {
	*Sources
	*Verifier
	log *bytes.Buffer
}

// newLiveIssuers reads the issuer's keys in the background. Its time is that of the
// bubble (see testing/synctest) in which it is made.
func newLiveIssuers(t testing.TB, transport http.RoundTripper, tokens ...config.Issuer) liveIssuers {
	t.Helper()
	log := new(bytes.Buffer)
	sources := NewSources(SourcesOptions{
		Log: slog.New(slog.NewTextHandler(log, nil)), Transport: transport, Now: time.Now,
	})
	t.Cleanup(sources.Close)
	issuers := sources.Issuers(tokens)
	sources.Adopt(issuers)
	return liveIssuers{sources, NewVerifier(secretKeys(t, secretOfTests), issuers, atNoon), log}
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

// waitReal lets that much of the bubble's time pass, and all that is due in it
// happen.
func waitReal(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// verifierOf has the issuers' keys read once, here and now.
func verifierOf(t testing.TB, tokens ...config.Issuer) *Verifier {
	t.Helper()
	sources := NewSources(SourcesOptions{Log: slog.New(slog.DiscardHandler), Now: atNoon})
	issuers := sources.Issuers(tokens)
	for _, source := range issuers.keySources {
		source.read(context.Background())
		if source.problem != nil {
			t.Fatal(source.problem)
		}
	}
	return NewVerifier(secretKeys(t, secretOfTests), issuers, atNoon)
}

// fileWith is a file with that content.
func fileWith(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
