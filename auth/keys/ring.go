// Package keys holds the keys that sign and verify tokens.
//
// A Ring (ring.go) signs the gateway's own tokens. It also verifies tokens that
// were signed with previous keys. pem.go reads keys in PEM, for the gateway and
// for other issuers.
//
// The keys of other issuers come from Sources, which tables share:
//
//	issuer.go   the entries of `tokens`, with their keys
//	sources.go  the sources of keys, shared by successive tables
//	source.go   one source: the last good keys, refreshed in the background
//	fetch.go    reading a URL or a file, bounded
//	set.go      a JWK set or PEM: which keys are usable, and which one fits a token
package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// Ring holds the keys for the gateway's own tokens: one that signs, and those
// that verify, with the signing one first. Each key verifies only its own
// algorithm, so a public key is never used as a secret.
type Ring struct {
	Algorithm string // of the tokens made here, as in their header (RFC 7518 section 3.1)
	sign      any
	verify    []ownKey
}

// ownKey is the verifying half of one of our keys.
type ownKey struct {
	key        jwt.VerificationKey
	id         string   // the `kid` of its tokens
	algorithms []string // that it verifies
}

// Sign returns a token with the claims. Its `kid` names the key.
func (k Ring) Sign(claims jwt.MapClaims) (string, error) {
	token := jwt.NewWithClaims(jwt.GetSigningMethod(k.Algorithm), claims)
	token.Header["kid"] = k.id()
	signed, err := token.SignedString(k.sign)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// id returns the `kid` of the tokens made here.
func (k Ring) id() string { return k.verify[0].id }

// Verifying returns the keys that may have signed a token. That is the key that
// the token names. For a token that names none of our keys, such as one made
// elsewhere with the same secret, it is every key of the algorithm.
func (k Ring) Verifying(algorithm, id string) []jwt.VerificationKey {
	var found []jwt.VerificationKey
	for _, own := range k.verify {
		fits := slices.Contains(own.algorithms, algorithm)
		if own.id == id && !fits {
			return nil
		}
		if own.id == id {
			return []jwt.VerificationKey{own.key}
		}
		if fits {
			found = append(found, own.key)
		}
	}
	return found
}

// Algorithms returns the names of the algorithms that the keys verify.
func (k Ring) Algorithms() string {
	var names []string
	for _, own := range k.verify {
		names = append(names, own.algorithms...)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// PublicSet returns the JWK set (RFC 7517 section 5) that lets others verify
// the tokens made here: the signing key first, then previous and future keys.
// ok is false when there are only secrets.
func (k Ring) PublicSet() (set []byte, ok bool) {
	var public jose.JSONWebKeySet
	for _, own := range k.verify {
		if _, secret := own.key.([]byte); !secret {
			public.Keys = append(public.Keys, jose.JSONWebKey{Key: own.key, KeyID: own.id, Algorithm: own.algorithms[0], Use: "sig"})
		}
	}
	if len(public.Keys) == 0 {
		return nil, false
	}
	set, err := json.Marshal(public)
	return set, err == nil
}

// secretAlgorithms are the algorithms that sign with a secret.
var secretAlgorithms = []string{"HS256", "HS384", "HS512"}

// FromSecret returns a ring that signs with a secret. It still accepts tokens
// that were signed with a previous secret.
func FromSecret(algorithm string, secret []byte, previous ...[]byte) (Ring, error) {
	if !slices.Contains(secretAlgorithms, algorithm) {
		return Ring{}, fmt.Errorf("algorithm %q does not go with a secret: want one of %s",
			algorithm, strings.Join(secretAlgorithms, ", "))
	}
	// Anybody can sign with an empty secret. A list of previous secrets that
	// ends in a comma would contain one.
	if len(secret) == 0 || slices.ContainsFunc(previous, func(old []byte) bool { return len(old) == 0 }) {
		return Ring{}, errors.New("secret is empty")
	}
	keys := Ring{Algorithm: algorithm, sign: secret}
	for _, each := range append([][]byte{secret}, previous...) {
		keys.verify = append(keys.verify, ownKey{each, secretID(each), []string{algorithm}})
	}
	return keys, nil
}

// WithPreviousSecrets returns a ring that also accepts tokens signed with a
// secret, from before a private key replaced it.
func (k Ring) WithPreviousSecrets(previous ...[]byte) (Ring, error) {
	k.verify = slices.Clone(k.verify)
	for _, each := range previous {
		if len(each) == 0 {
			return Ring{}, errors.New("secret is empty")
		}
		k.verify = append(k.verify, ownKey{each, secretID(each), secretAlgorithms})
	}
	return k, nil
}

// WithPreviousKeys returns a ring that also accepts and publishes the keys of a
// PEM text: keys whose tokens are still in use, and a key that will sign later.
// The text may hold public keys. Of a private key only the public half is kept.
func (k Ring) WithPreviousKeys(pemBytes []byte) (Ring, error) {
	k.verify = slices.Clone(k.verify)
	found := 0
	for rest := pemBytes; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "EC PARAMETERS" { // `openssl ecparam -genkey` writes it before the key
			continue
		}
		if found++; found > maxIssuerKeys {
			return Ring{}, fmt.Errorf("more than %d keys", maxIssuerKeys)
		}
		public, err := publicHalf(block)
		if err != nil {
			return Ring{}, fmt.Errorf("key %d: %w", found, err)
		}
		own, err := newOwnKey(public)
		if err != nil {
			return Ring{}, fmt.Errorf("key %d: %w", found, err)
		}
		if !slices.ContainsFunc(k.verify, func(have ownKey) bool { return have.id == own.id }) {
			k.verify = append(k.verify, own)
		}
	}
	if found == 0 && len(bytes.TrimSpace(pemBytes)) > 0 { // an empty text is a file without keys any more
		return Ring{}, errors.New("no PEM block found: want one or more private or public keys")
	}
	return k, nil
}

// secretID returns an id that differs for different secrets. The id does not
// make guessing easier: with any signature, an attacker can already test
// guesses.
func secretID(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("gatehouse key id"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:9])
}

// FromPEM returns a ring that signs with the first private key of a PEM text
// (PKCS #8, PKCS #1 or SEC 1). RSA of 2048 bits or more means RS256, P-256
// means ES256, and Ed25519 means EdDSA.
func FromPEM(pemBytes []byte) (Ring, error) {
	private, err := parsePrivateKey(pemBytes)
	if err != nil {
		return Ring{}, err
	}
	own, err := newOwnKey(private.Public())
	if err != nil {
		return Ring{}, err
	}
	return Ring{Algorithm: own.algorithms[0], sign: private, verify: []ownKey{own}}, nil
}

// newOwnKey returns a public key of ours with its algorithm and its id, which
// is its thumbprint (RFC 7638).
func newOwnKey(public crypto.PublicKey) (ownKey, error) {
	algorithm := ""
	switch key := public.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			return ownKey{}, fmt.Errorf("RSA key has %d bits: want %d or more", key.N.BitLen(), minRSABits)
		}
		algorithm = "RS256"
	case *ecdsa.PublicKey:
		if key.Curve.Params().Name != "P-256" {
			return ownKey{}, fmt.Errorf("EC key is on curve %s: want P-256", key.Curve.Params().Name)
		}
		algorithm = "ES256"
	case ed25519.PublicKey:
		algorithm = "EdDSA"
	default:
		return ownKey{}, errNotPublic
	}
	jwk := jose.JSONWebKey{Key: public}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return ownKey{}, fmt.Errorf("make key id: %w", err)
	}
	return ownKey{public, base64.RawURLEncoding.EncodeToString(thumbprint), []string{algorithm}}, nil
}
