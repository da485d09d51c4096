package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

func pemOf(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestPrivateKeys(t *testing.T) {
	rsaKey, ecKey, edKey := newRSA(t, 2048), newEC(t, elliptic.P256()), newEd25519(t)
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	// `openssl ecparam -name prime256v1 -genkey` writes the curve's name first.
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}})
	for _, test := range []struct {
		name      string
		pem       []byte
		algorithm string
	}{
		{"RSA, PKCS #8", pemOf(t, rsaKey), "RS256"},
		{"RSA, PKCS #1", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)}), "RS256"},
		{"EC, PKCS #8", pemOf(t, ecKey), "ES256"},
		{"EC, SEC 1", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}), "ES256"},
		{"EC, behind its parameters", slices.Concat(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), "ES256"},
		{"EC, behind its public key", slices.Concat(publicPEM(t, ecKey.Public()), pemOf(t, ecKey)), "ES256"},
		{"Ed25519", pemOf(t, edKey), "EdDSA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := FromPEM(test.pem)
			if err != nil {
				t.Fatal(err)
			}
			if keys.Algorithm != test.algorithm {
				t.Errorf("algorithm = %s, want %s", keys.Algorithm, test.algorithm)
			}
			token, err := NewSigner(keys, time.Hour, atNoon).Token(uuid.New(), "ann@example.com", &acme)
			if err != nil {
				t.Fatal(err)
			}
			verifier := NewVerifier(keys, nil, atNoon)
			if _, refusal := verifier.Verify(t.Context(), token); refusal != nil {
				t.Error(refusal)
			}
			// Those who have the public set only can verify it too.
			text, ok := keys.PublicSet()
			set, err := parseSet(text)
			if !ok || err != nil {
				t.Fatalf("public set %s: %v", text, err)
			}
			if _, err := jwt.Parse(token, func(token *jwt.Token) (any, error) {
				return jwt.VerificationKeySet{Keys: set.find(keys.Algorithm, token.Header["kid"].(string))}, nil
			}, jwt.WithTimeFunc(atNoon)); err != nil {
				t.Errorf("public set %s: %v", text, err)
			}
			// Not those of another key of the same kind, nor secrets.
			if _, refusal := verifier.Verify(t.Context(), signed(t, claims(nil))); !sameAnswer(refusal, refuseAlgorithm) {
				t.Errorf("HS256: %+v", refusal)
			}
			body, signature := token[:strings.LastIndexByte(token, '.')], token[strings.LastIndexByte(token, '.')+1:]
			if _, refusal := verifier.Verify(t.Context(), body+"."+"AAAA"+signature[4:]); !sameAnswer(refusal, refuseSignature) {
				t.Errorf("forged: %+v", refusal)
			}
		})
	}
}

// The public key is public: who signs with it as a secret is a forger.
func TestPublicKeyAsSecret(t *testing.T) {
	key := newRSA(t, 2048)
	keys, err := FromPEM(pemOf(t, key))
	if err != nil {
		t.Fatal(err)
	}
	token := signedWith(t, jwt.SigningMethodHS256, publicPEM(t, key.Public()), claims(nil), nil)
	if _, refusal := NewVerifier(keys, nil, atNoon).Verify(t.Context(), token); !sameAnswer(refusal, refuseAlgorithm) {
		t.Errorf("got %+v", refusal)
	}
}

// A secret is replaced while tokens signed with it are about: each names its
// own, and is held against no other.
func TestSecretsRotate(t *testing.T) {
	const newer = "the secret that comes after it, as long"
	old, rotated := secretKeys(t, secretOfTests), secretKeys(t, newer, secretOfTests)
	verifier := NewVerifier(rotated, nil, atNoon)
	var ids []any
	for _, keys := range []Ring{old, rotated} {
		token, err := NewSigner(keys, time.Hour, atNoon).Token(uuid.New(), "ann@example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		expectRefusal(t, verifier, token, nil)
		parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, parsed.Header["kid"])
	}
	if ids[0] == ids[1] || ids[0] == "" {
		t.Errorf("key ids %q", ids)
	}
	sign := func(secret string, id any) string {
		return signedWith(t, jwt.SigningMethodHS256, []byte(secret), claims(nil), map[string]any{"kid": id})
	}
	expectRefusal(t, verifier, sign(newer, ids[0]), refuseSignature)
	expectRefusal(t, verifier, sign(newer, "somebody's"), nil)
	if set, ok := rotated.PublicSet(); ok {
		t.Errorf("secrets are published: %s", set)
	}
}

func TestKeysRefused(t *testing.T) {
	public, err := x509.MarshalPKIXPublicKey(newEd25519(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"empty":        nil,
		"not PEM":      []byte("secret of somebody"),
		"RSA too weak": pemOf(t, newRSA(t, 1024)),
		"P-384":        pemOf(t, newEC(t, elliptic.P384())),
		"public key":   pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"broken":       pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret of somebody")}),
	} {
		if _, err := FromPEM(text); err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "somebody") {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}

	for name, test := range map[string]struct {
		block *pem.Block
		want  string
	}{
		"encrypted, PKCS #8": {&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}, "passphrase"},
		"encrypted, SEC 1": {&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("x"), Headers: map[string]string{
			"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00",
		}}, "passphrase"},
		"public key":      {&pem.Block{Type: "PUBLIC KEY", Bytes: public}, `no private key found, but "PUBLIC KEY"`},
		"parameters only": {&pem.Block{Type: "EC PARAMETERS", Bytes: []byte("x")}, `no private key found, but "EC PARAMETERS"`},
		"OpenSSH's":       {&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")}, "want PKCS #8"},
	} {
		if _, err := FromPEM(pem.EncodeToMemory(test.block)); err == nil || !strings.Contains(err.Error(), test.want) ||
			strings.Contains(err.Error(), "passphrase") != (test.want == "passphrase") {
			t.Errorf("%s: %v", name, err)
		}
	}

	secret := []byte(secretOfTests)
	for name, take := range map[string]func() (Ring, error){
		"algorithm none":  func() (Ring, error) { return FromSecret("none", secret) },
		"algorithm RS256": func() (Ring, error) { return FromSecret("RS256", secret) },
		"no algorithm":    func() (Ring, error) { return FromSecret("", secret) },
		"no secret":       func() (Ring, error) { return FromSecret("HS256", nil) },
		"empty previous":  func() (Ring, error) { return FromSecret("HS256", secret, []byte{}) },
	} {
		if _, err := take(); err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), secretOfTests) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
}

// A private key is replaced while tokens signed with it are about, whatever kinds
// of keys the old and the new one are: each token names its own, and is held
// against no other.
func TestPrivateKeysRotate(t *testing.T) {
	old, next := newEC(t, elliptic.P256()), newRSA(t, 2048)
	keysOf := func(current crypto.Signer, previous ...[]byte) Ring {
		keys, err := FromPEM(pemOf(t, current))
		if err == nil {
			keys, err = keys.WithPreviousKeys(slices.Concat(previous...))
		}
		if err == nil {
			keys, err = keys.WithPreviousSecrets([]byte(secretOfTests))
		}
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	token := func(keys Ring) string {
		text, err := NewSigner(keys, time.Hour, atNoon).Token(uuid.New(), "ann@example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	announced := keysOf(old, pemOf(t, next)) // verifies before it signs
	rotated := keysOf(next, publicPEM(t, old.Public()), pemOf(t, next))
	for name, keys := range map[string]Ring{"announced": announced, "rotated": rotated} {
		verifier := NewVerifier(keys, nil, atNoon)
		expectRefusal(t, verifier, token(announced), nil)
		expectRefusal(t, verifier, token(rotated), nil)
		expectRefusal(t, verifier, signed(t, claims(nil)), nil)
		expectRefusal(t, verifier, signedWith(t, jwt.SigningMethodHS512, []byte(secretOfTests), claims(nil), nil), nil)
		for _, public := range [][]byte{publicPEM(t, old.Public()), publicDER(t, old.Public()), publicPEM(t, next.Public())} {
			for _, id := range []any{"", keys.verify[0].id, keys.verify[1].id, keys.verify[2].id} {
				forged := signedWith(t, jwt.SigningMethodHS256, public, claims(nil), map[string]any{"kid": id})
				if _, refusal := verifier.Verify(t.Context(), forged); refusal == nil {
					t.Errorf("%s: a public key is a secret", name)
				}
			}
		}
		// The name of one key, the signature of another.
		crossed := signedWith(t, jwt.SigningMethodRS256, next, claims(nil), map[string]any{"kid": announced.id()})
		expectRefusal(t, verifier, crossed, refuseAlgorithm)

		text, _ := keys.PublicSet()
		set, err := parseSet(text)
		if err != nil || set.size() != 2 || len(set.find("RS256", rotated.id())) != 1 || len(set.find("ES256", announced.id())) != 1 {
			t.Errorf("%s: published %s: %v", name, text, err)
		}
	}
	if announced.Algorithm != "ES256" || rotated.Algorithm != "RS256" {
		t.Errorf("they sign with %s and %s", announced.Algorithm, rotated.Algorithm)
	}
	expectRefusal(t, NewVerifier(keysOf(next), nil, atNoon), token(announced), refuseAlgorithm)

	good, err := FromPEM(pemOf(t, next))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"no PEM": []byte("secret of somebody"), "weak": pemOf(t, newRSA(t, 1024)), "P-384": publicPEM(t, newEC(t, elliptic.P384()).Public()),
		"good, then bad": slices.Concat(pemOf(t, old), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret of somebody")})),
	} {
		if _, err := good.WithPreviousKeys(text); err == nil || strings.Contains(err.Error(), "somebody") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := good.WithPreviousKeys([]byte("\n")); err != nil {
		t.Errorf("a file whose keys are gone: %v", err)
	}
	if _, err := good.WithPreviousSecrets(nil); err == nil {
		t.Error("an empty secret is taken")
	}
}
