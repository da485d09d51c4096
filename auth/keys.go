package auth

// This file makes the keys that the gateway's own tokens are signed and
// verified with.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// Keys are what tokens are signed and verified with: one algorithm, one key
// that signs and those that verify, the signing one first.
type Keys struct {
	Algorithm string // as in the token's header (RFC 7518 section 3.1)
	sign      any
	verify    []jwt.VerificationKey
	ids       []string // the `kid` of each in verify
}

// verifying gives the keys that may have signed a token: the one that it names,
// or all for a token that names none of ours, as those made elsewhere with the
// same secret.
func (k Keys) verifying(id string) []jwt.VerificationKey {
	if i := slices.Index(k.ids, id); i >= 0 {
		return k.verify[i : i+1]
	}
	return k.verify
}

// PublicSet is the JWK set (RFC 7517 section 5) with which others can verify
// the tokens made here. There is none for a secret.
func (k Keys) PublicSet() (set []byte, ok bool) {
	private, ok := k.sign.(crypto.Signer)
	if !ok {
		return nil, false
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: private.Public(), KeyID: k.ids[0], Algorithm: k.Algorithm, Use: "sig"},
	}})
	return set, err == nil
}

// secretAlgorithms are those that sign with a secret.
var secretAlgorithms = []string{"HS256", "HS384", "HS512"}

// SecretKeys signs with a secret. Tokens signed with a previous secret are
// still accepted.
func SecretKeys(algorithm string, secret []byte, previous ...[]byte) (Keys, error) {
	if !slices.Contains(secretAlgorithms, algorithm) {
		return Keys{}, fmt.Errorf("algorithm %q does not go with a secret: want one of %s",
			algorithm, strings.Join(secretAlgorithms, ", "))
	}
	// Anybody can sign with an empty secret, and a list of previous ones that
	// ends in a comma has one.
	if len(secret) == 0 || slices.ContainsFunc(previous, func(old []byte) bool { return len(old) == 0 }) {
		return Keys{}, errors.New("secret is empty")
	}
	keys := Keys{Algorithm: algorithm, sign: secret}
	for _, each := range append([][]byte{secret}, previous...) {
		keys.verify = append(keys.verify, each)
		keys.ids = append(keys.ids, secretID(each))
	}
	return keys, nil
}

// secretID tells secrets apart. Every signature already lets those who hold a
// token try out secrets; the id adds nothing to that.
func secretID(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("gatehouse key id"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:9])
}

// PrivateKeys signs with the first private key of a PEM text (PKCS #8, PKCS #1 or
// SEC 1): RSA of 2048 bits or more gives RS256, P-256 gives ES256, Ed25519
// gives EdDSA.
func PrivateKeys(pemBytes []byte) (Keys, error) {
	private, err := parsePrivateKey(pemBytes)
	if err != nil {
		return Keys{}, err
	}
	keys := Keys{sign: private}
	switch key := private.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < 2048 { // RFC 7518 section 3.3
			return Keys{}, fmt.Errorf("RSA key has %d bits: want 2048 or more", key.N.BitLen())
		}
		keys.Algorithm = "RS256"
	case *ecdsa.PrivateKey:
		if key.Curve.Params().Name != "P-256" {
			return Keys{}, fmt.Errorf("EC key is on curve %s: want P-256", key.Curve.Params().Name)
		}
		keys.Algorithm = "ES256"
	case ed25519.PrivateKey:
		keys.Algorithm = "EdDSA"
	}
	public := jose.JSONWebKey{Key: private.Public()}
	thumbprint, err := public.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return Keys{}, fmt.Errorf("make key id: %w", err)
	}
	keys.verify = []jwt.VerificationKey{public.Key}
	keys.ids = []string{base64.RawURLEncoding.EncodeToString(thumbprint)}
	return keys, nil
}

// parsePrivateKey reads the first private key of a PEM text, in whichever form
// it holds. What may stand beside one is passed over: `openssl ecparam -genkey`
// writes the curve before it (EC PARAMETERS), and some files hold the
// certificate, too.
func parsePrivateKey(pemBytes []byte) (crypto.Signer, error) {
	var passed []string
	for rest := pemBytes; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil && len(passed) == 0:
			return nil, errors.New("no PEM block found: want a private key")
		case block == nil:
			return nil, fmt.Errorf("no private key found, but %s: want the private key itself", strings.Join(passed, ", "))
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return privateKeyOf(block)
		}
		if len(passed) < maxIssuerKeys {
			passed = append(passed, strconv.Quote(block.Type))
		}
	}
}

// privateKeyOf reads a block that says that it is a private key. No error
// repeats what is in it.
func privateKeyOf(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, fmt.Errorf("PEM block %q is encrypted with a passphrase: want it without, as `openssl pkey` writes it", block.Type)
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		switch key := key.(type) {
		case *rsa.PrivateKey:
			return key, nil
		case *ecdsa.PrivateKey:
			return key, nil
		case ed25519.PrivateKey:
			return key, nil
		}
		return nil, errors.New("private key is neither RSA nor EC nor Ed25519")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, fmt.Errorf("PEM block %q holds no private key that can be read: want PKCS #8, PKCS #1 or SEC 1, as `openssl pkey` writes it", block.Type)
}
