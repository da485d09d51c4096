package keys

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"

	"gatehouse/auth/authtest"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// TestParseKeySet tests which of the published keys are used, by algorithm and
// key id.
func TestParseKeySet(t *testing.T) {
	rsaKey, ecKey, edKey := authtest.NewRSA(t, 2048), authtest.NewEC(t, elliptic.P256()), authtest.NewEd25519(t)
	rsaPublic, ecPublic := rsaKey.Public(), ecKey.Public()
	p384 := authtest.NewEC(t, elliptic.P384()).Public()
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)})
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: authtest.Noon}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ecPublic, ecKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	template.SerialNumber.SetInt64(0x7ff0f0f001)
	if der, err = x509.CreateCertificate(rand.Reader, template, template, ecPublic, ecKey); err != nil {
		t.Fatal(err)
	}
	negative := bytes.Replace(der, []byte{2, 5, 0x7f, 0xf0, 0xf0, 0xf0, 1}, []byte{2, 5, 0x80, 0xf0, 0xf0, 0xf0, 1}, 1)
	if _, err := x509.ParseCertificate(negative); err == nil {
		t.Fatal("Go parses a certificate with a negative serial number")
	}
	set := func(keys ...jose.JSONWebKey) []byte {
		text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	forEncryption := jose.JSONWebKey{Key: rsaPublic, KeyID: "a", Use: "enc"}
	secret := jose.JSONWebKey{Key: []byte("a secret of somebody's"), KeyID: "a"}
	two := set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a"}, jose.JSONWebKey{Key: ecPublic, KeyID: "b"})
	twins := set(jose.JSONWebKey{Key: ecPublic, KeyID: "a"}, jose.JSONWebKey{Key: authtest.NewEC(t, elliptic.P256()).Public(), KeyID: "b"})

	for _, test := range []struct {
		name          string
		content       []byte
		algorithm, id string
		want          []crypto.PublicKey
	}{
		{"RSA", set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a"}), "RS256", "a", []crypto.PublicKey{rsaPublic}},
		{"RSA, PSS", set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a"}), "PS512", "a", []crypto.PublicKey{rsaPublic}},
		{"RSA for one algorithm", set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a", Algorithm: "RS256"}), "PS256", "a", nil},
		{"RSA as secret", set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a"}), "HS256", "a", nil},
		{"RSA said to be one", set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a", Algorithm: "HS256"}), "HS256", "a", nil},
		{"RSA for none", set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a"}), "none", "a", nil},
		{"RSA for EC", set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a"}), "ES256", "a", nil},
		{"EC", set(jose.JSONWebKey{Key: ecPublic, KeyID: "a"}), "ES256", "a", []crypto.PublicKey{ecPublic}},
		{"EC, other curve", set(jose.JSONWebKey{Key: p384, KeyID: "a"}), "ES256", "a", nil},
		{"EC, its curve", set(jose.JSONWebKey{Key: p384, KeyID: "a"}), "ES384", "a", []crypto.PublicKey{p384}},
		{"Ed25519", set(jose.JSONWebKey{Key: edKey.Public(), KeyID: "a"}), "EdDSA", "a", []crypto.PublicKey{edKey.Public()}},
		{"for encryption", set(forEncryption), "RS256", "a", nil},
		{"for other operations", []byte(strings.Replace(string(set(jose.JSONWebKey{Key: rsaPublic})), `{"kty"`, `{"key_ops":["encrypt"],"kty"`, 1)), "RS256", "", nil},
		{"for this operation", []byte(strings.Replace(string(set(jose.JSONWebKey{Key: rsaPublic})), `{"kty"`, `{"key_ops":["verify"],"kty"`, 1)), "RS256", "", []crypto.PublicKey{rsaPublic}},
		{"secret", set(secret), "HS256", "a", nil},
		{"private", set(jose.JSONWebKey{Key: ecKey, KeyID: "a"}), "ES256", "a", nil},
		{"among others", set(forEncryption, secret, jose.JSONWebKey{Key: ecPublic, KeyID: "b"}), "ES256", "b", []crypto.PublicKey{ecPublic}},
		{"unknown type among others", []byte(strings.Replace(string(two), `[`, `[{"kty":"new"},{"kty":"RSA"},7,`, 1)), "ES256", "b", []crypto.PublicKey{ecPublic}},

		{"other id", two, "ES256", "c", nil},
		{"id of another type", two, "ES256", "a", nil},
		{"no id, one fits", two, "ES256", "", []crypto.PublicKey{ecPublic}},
		{"no id, two fit", twins, "ES256", "", nil},
		{"set without ids", set(jose.JSONWebKey{Key: rsaPublic}, jose.JSONWebKey{Key: ecPublic}), "ES256", "x", []crypto.PublicKey{ecPublic}},

		{
			"negative serial number", []byte(strings.Replace(string(set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a"})), `{"kty"`, `{"x5c":["`+base64.StdEncoding.EncodeToString(negative)+`"],"kty"`, 1)),
			"RS256", "a",
			[]crypto.PublicKey{rsaPublic},
		},
		{
			"padded, and plain base64", []byte(`{"keys":[{"kty":"RSA","kid":"a","e":"AQAB==","n":"` + base64.StdEncoding.EncodeToString(rsaKey.N.Bytes()) + `"}]}`),
			"RS256", "a",
			[]crypto.PublicKey{rsaPublic},
		},
		{
			"escaped base64", []byte(`{"keys":[{"kty":"RSA","kid":"a","e":"AQAB","n":"` + strings.ReplaceAll(base64.StdEncoding.EncodeToString(rsaKey.N.Bytes()), "/", `\/`) + `"}]}`),
			"RS256", "a",
			[]crypto.PublicKey{rsaPublic},
		},
		{
			"what is not used is not read", []byte(strings.Replace(string(set(jose.JSONWebKey{Key: rsaPublic, KeyID: "a"})), `{"kty"`, `{"x5c":7,"x5u":"::","x5t":"?","ext":[1],"kty"`, 1)),
			"RS256", "a",
			[]crypto.PublicKey{rsaPublic},
		},
		{"PEM, negative serial number", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: negative}), "ES256", "", []crypto.PublicKey{ecPublic}},

		{"PEM", authtest.PublicPEM(t, rsaPublic), "RS256", "", []crypto.PublicKey{rsaPublic}},
		{"PEM, PKCS #1", pkcs1, "RS256", "x", []crypto.PublicKey{rsaPublic}},
		{"PEM, Ed25519", authtest.PublicPEM(t, edKey.Public()), "EdDSA", "", []crypto.PublicKey{edKey.Public()}},
		{"PEM, certificate", certificate, "ES256", "", []crypto.PublicKey{ecPublic}},
		{"PEM, two", slices.Concat(authtest.PublicPEM(t, rsaPublic), certificate, pkcs1), "RS256", "x", []crypto.PublicKey{rsaPublic, rsaPublic}},
		{"PEM, private", authtest.PrivatePEM(t, ecKey), "ES256", "", nil},
		{"PEM, private among others", slices.Concat(authtest.PrivatePEM(t, authtest.NewEC(t, elliptic.P256())), certificate), "ES256", "", []crypto.PublicKey{ecPublic}},
		{"PEM, broken", bytes.Replace(certificate, []byte("CERTIFICATE"), []byte("PUBLIC KEY"), 2), "ES256", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, err := parseSet(test.content)
			if err != nil && (test.want != nil || strings.Contains(err.Error(), "somebody")) {
				t.Fatal(err)
			}
			got := set.find(test.algorithm, test.id)
			if !slices.EqualFunc(got, test.want, func(got jwt.VerificationKey, want crypto.PublicKey) bool {
				return got.(interface{ Equal(crypto.PublicKey) bool }).Equal(want)
			}) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// FuzzParseKeySet requires that an accepted set has only usable keys.
func FuzzParseKeySet(f *testing.F) {
	f.Add(authtest.JWKS(f, authtest.NewNamedKey(f, "a"), authtest.NamedKey{ID: "b", Key: authtest.NewEd25519(f)}))
	f.Add(authtest.PublicPEM(f, authtest.NewEd25519(f).Public()))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		set, err := parseSet(content)
		if (set == nil) == (err == nil) || err == nil && set.size() == 0 {
			t.Fatalf("set %+v, error %v", set, err)
		}
		for i := range set.size() {
			if err := checkPublicKey(set.keys[i].public); err != nil {
				t.Error(err)
			}
		}
	})
}
