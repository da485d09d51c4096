package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Keys are what tokens are signed and verified with: one algorithm, one key
// that signs and those that verify, the signing one first.
type Keys struct {
	Algorithm string // as in the token's header (RFC 7518 section 3.1)
	sign      any
	verify    []jwt.VerificationKey
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
	keys := Keys{Algorithm: algorithm, sign: secret, verify: []jwt.VerificationKey{secret}}
	for _, old := range previous {
		keys.verify = append(keys.verify, old)
	}
	return keys, nil
}

// PrivateKeys signs with the private key in a PEM block (PKCS #8, PKCS #1 or
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
	keys.verify = []jwt.VerificationKey{private.Public()}
	return keys, nil
}

// parsePrivateKey reads the first PEM block in whichever form it holds.
func parsePrivateKey(pemBytes []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(pemBytes)
	if block == nil {
		return nil, errors.New("no PEM block found: want a private key")
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
	return nil, fmt.Errorf("PEM block %q holds no private key that can be read without a passphrase", block.Type)
}
