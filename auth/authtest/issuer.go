package authtest

// This file makes other issuers: their servers, keys and tokens.

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"gatehouse/config"
)

const IssuerName = "https://login.example.com/"

// NamedKey is a private key with the id under which its issuer publishes it.
type NamedKey struct {
	ID  string
	Key crypto.Signer
}

func NewNamedKey(t testing.TB, id string) NamedKey { return NamedKey{id, NewEC(t, elliptic.P256())} }

// Token returns a token of the issuer, signed with ES256.
func (n NamedKey) Token(t testing.TB) string {
	t.Helper()
	return SignedWith(t, jwt.SigningMethodES256, n.Key, IssuerClaims(nil), map[string]any{"kid": n.ID})
}

// IssuerClaims returns the claims of a good token of the issuer, with changes.
func IssuerClaims(changes jwt.MapClaims) jwt.MapClaims {
	all := Claims(jwt.MapClaims{"iss": IssuerName, "aud": "atenex"})
	for name, value := range changes {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

// JWKS returns the key set that an issuer publishes.
func JWKS(t testing.TB, keys ...NamedKey) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, n := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: n.Key.Public(), KeyID: n.ID, Use: "sig"})
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// PublicPEM returns the key in PEM.
func PublicPEM(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: PublicDER(t, key)})
}

func PublicDER(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// IssuerServer publishes the content that it is given, and counts the requests.
type IssuerServer struct {
	URL      string
	requests atomic.Int32
	answer   atomic.Pointer[http.HandlerFunc]
}

func NewIssuerServer(t testing.TB, keys ...NamedKey) *IssuerServer {
	t.Helper()
	s := new(IssuerServer)
	s.Publish(JWKS(t, keys...))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL + "/jwks.json?client=secret"
	return s
}

func (s *IssuerServer) Publish(body []byte) {
	s.Serve(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) })
}

func (s *IssuerServer) Serve(answer http.HandlerFunc) { s.answer.Store(&answer) }

func (s *IssuerServer) ExpectRequests(t testing.TB, want int32) {
	t.Helper()
	if got := s.requests.Load(); got != want {
		t.Errorf("%d requests for keys, want %d", got, want)
	}
}

// Listed returns an entry of `tokens` with everything but an audience.
func Listed(keys string) config.Issuer {
	return config.Issuer{Issuer: IssuerName, Keys: keys, Algorithms: []string{"ES256", "RS256", "PS256", "EdDSA"}}
}

// Sleep advances the fake clock of the bubble by d, and waits until everything
// that is due has happened.
func Sleep(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
