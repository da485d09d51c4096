package keys_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/keys"
	"gatehouse/auth/keys/keystest"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

func TestPrivateKeys(t *testing.T) {
	rsaKey, ecKey, edKey := authtest.NewRSA(t, 2048), authtest.NewEC(t, elliptic.P256()), authtest.NewEd25519(t)
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
		{"RSA, PKCS #8", authtest.PrivatePEM(t, rsaKey), "RS256"},
		{"RSA, PKCS #1", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)}), "RS256"},
		{"EC, PKCS #8", authtest.PrivatePEM(t, ecKey), "ES256"},
		{"EC, SEC 1", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}), "ES256"},
		{"EC, behind its parameters", slices.Concat(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), "ES256"},
		{"EC, behind its public key", slices.Concat(authtest.PublicPEM(t, ecKey.Public()), authtest.PrivatePEM(t, ecKey)), "ES256"},
		{"Ed25519", authtest.PrivatePEM(t, edKey), "EdDSA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ring, err := keys.FromPEM(test.pem)
			if err != nil {
				t.Fatal(err)
			}
			if ring.Algorithm != test.algorithm {
				t.Errorf("algorithm = %s, want %s", ring.Algorithm, test.algorithm)
			}
			token, err := auth.NewSigner(ring, time.Hour, authtest.AtNoon).Token(uuid.New(), "ann@example.com", &authtest.Acme)
			if err != nil {
				t.Fatal(err)
			}
			verifier := auth.NewVerifier(ring, nil, authtest.AtNoon)
			if _, refusal := verifier.Verify(t.Context(), token); refusal != nil {
				t.Error(refusal)
			}
			// Others can verify the token with the public set only.
			text, ok := ring.PublicSet()
			if !ok {
				t.Fatalf("public set %s", text)
			}
			if _, err := jwt.Parse(token, func(token *jwt.Token) (any, error) {
				found, err := keys.FindInSet(text, ring.Algorithm, token.Header["kid"].(string))
				return jwt.VerificationKeySet{Keys: found}, err
			}, jwt.WithTimeFunc(authtest.AtNoon)); err != nil {
				t.Errorf("public set %s: %v", text, err)
			}
			// The tokens of another key of the same kind, or of a secret, are
			// refused.
			if _, refusal := verifier.Verify(t.Context(), authtest.Signed(t, authtest.Claims(nil))); !authtest.SameRefusal(refusal, refuseAlgorithm) {
				t.Errorf("HS256: %+v", refusal)
			}
			body, signature := token[:strings.LastIndexByte(token, '.')], token[strings.LastIndexByte(token, '.')+1:]
			if _, refusal := verifier.Verify(t.Context(), body+"."+"AAAA"+signature[4:]); !authtest.SameRefusal(refusal, refuseSignature) {
				t.Errorf("forged: %+v", refusal)
			}
		})
	}
}

// A token that is signed with the public key as a secret is forged.
func TestPublicKeyAsSecret(t *testing.T) {
	key := authtest.NewRSA(t, 2048)
	ring, err := keys.FromPEM(authtest.PrivatePEM(t, key))
	if err != nil {
		t.Fatal(err)
	}
	token := authtest.SignedWith(t, jwt.SigningMethodHS256, authtest.PublicPEM(t, key.Public()), authtest.Claims(nil), nil)
	if _, refusal := auth.NewVerifier(ring, nil, authtest.AtNoon).Verify(t.Context(), token); !authtest.SameRefusal(refusal, refuseAlgorithm) {
		t.Errorf("got %+v", refusal)
	}
}

// A secret is replaced while its tokens are in use: each token names its own
// secret, and is verified only with that one.
func TestSecretsRotate(t *testing.T) {
	const newer = "the secret that comes after it, as long"
	old, rotated := keystest.NewRing(t, authtest.Secret), keystest.NewRing(t, newer, authtest.Secret)
	verifier := auth.NewVerifier(rotated, nil, authtest.AtNoon)
	var ids []any
	for _, ring := range []keys.Ring{old, rotated} {
		token, err := auth.NewSigner(ring, time.Hour, authtest.AtNoon).Token(uuid.New(), "ann@example.com", nil)
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
		return authtest.SignedWith(t, jwt.SigningMethodHS256, []byte(secret), authtest.Claims(nil), map[string]any{"kid": id})
	}
	expectRefusal(t, verifier, sign(newer, ids[0]), refuseSignature)
	expectRefusal(t, verifier, sign(newer, "somebody's"), nil)
	if set, ok := rotated.PublicSet(); ok {
		t.Errorf("secrets are published: %s", set)
	}
}

// A private key is replaced while its tokens are in use, for all kinds of old
// and new keys. Each token names its own key, and is verified only with that
// one.
func TestPrivateKeysRotate(t *testing.T) {
	old, next := authtest.NewEC(t, elliptic.P256()), authtest.NewRSA(t, 2048)
	keysOf := func(current crypto.Signer, previous ...[]byte) keys.Ring {
		ring, err := keys.FromPEM(authtest.PrivatePEM(t, current))
		if err == nil {
			ring, err = ring.WithPreviousKeys(slices.Concat(previous...))
		}
		if err == nil {
			ring, err = ring.WithPreviousSecrets([]byte(authtest.Secret))
		}
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	token := func(ring keys.Ring) string {
		text, err := auth.NewSigner(ring, time.Hour, authtest.AtNoon).Token(uuid.New(), "ann@example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	announced := keysOf(old, authtest.PrivatePEM(t, next)) // verifies before it signs
	rotated := keysOf(next, authtest.PublicPEM(t, old.Public()), authtest.PrivatePEM(t, next))
	for name, ring := range map[string]keys.Ring{"announced": announced, "rotated": rotated} {
		verifier := auth.NewVerifier(ring, nil, authtest.AtNoon)
		expectRefusal(t, verifier, token(announced), nil)
		expectRefusal(t, verifier, token(rotated), nil)
		expectRefusal(t, verifier, authtest.Signed(t, authtest.Claims(nil)), nil)
		expectRefusal(t, verifier, authtest.SignedWith(t, jwt.SigningMethodHS512, []byte(authtest.Secret), authtest.Claims(nil), nil), nil)
		for _, public := range [][]byte{authtest.PublicPEM(t, old.Public()), authtest.PublicDER(t, old.Public()), authtest.PublicPEM(t, next.Public())} {
			for _, id := range []any{"", keys.KeyIDs(ring)[0], keys.KeyIDs(ring)[1], keys.KeyIDs(ring)[2]} {
				forged := authtest.SignedWith(t, jwt.SigningMethodHS256, public, authtest.Claims(nil), map[string]any{"kid": id})
				if _, refusal := verifier.Verify(t.Context(), forged); refusal == nil {
					t.Errorf("%s: a public key is a secret", name)
				}
			}
		}
		// The name of one key with the signature of another.
		crossed := authtest.SignedWith(t, jwt.SigningMethodRS256, next, authtest.Claims(nil), map[string]any{"kid": keys.KeyIDs(announced)[0]})
		expectRefusal(t, verifier, crossed, refuseAlgorithm)

		text, _ := ring.PublicSet()
		ofNext, errNext := keys.FindInSet(text, "RS256", keys.KeyIDs(rotated)[0])
		ofOld, errOld := keys.FindInSet(text, "ES256", keys.KeyIDs(announced)[0])
		if keys.SetSize(text) != 2 || len(ofNext) != 1 || len(ofOld) != 1 {
			t.Errorf("%s: published %s: %v, %v", name, text, errNext, errOld)
		}
	}
	if announced.Algorithm != "ES256" || rotated.Algorithm != "RS256" {
		t.Errorf("they sign with %s and %s", announced.Algorithm, rotated.Algorithm)
	}
	expectRefusal(t, auth.NewVerifier(keysOf(next), nil, authtest.AtNoon), token(announced), refuseAlgorithm)

	good, err := keys.FromPEM(authtest.PrivatePEM(t, next))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"no PEM": []byte("secret of somebody"), "weak": authtest.PrivatePEM(t, authtest.NewRSA(t, 1024)), "P-384": authtest.PublicPEM(t, authtest.NewEC(t, elliptic.P384()).Public()),
		"good, then bad": slices.Concat(authtest.PrivatePEM(t, old), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret of somebody")})),
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
