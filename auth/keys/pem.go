package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// This file reads keys in PEM: private keys, public keys, and certificates.

// publicHalf returns the verifying key of a block.
func publicHalf(block *pem.Block) (crypto.PublicKey, error) {
	if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return parsePublicKey(block)
	}
	private, err := privateKeyOf(block)
	if err != nil {
		return nil, err
	}
	return private.Public(), nil
}

// parsePrivateKey returns the first private key of a PEM text, in any form that
// it supports. It skips other blocks: `openssl ecparam -genkey` writes the
// curve before the key (EC PARAMETERS), and some files also hold the
// certificate.
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

// privateKeyOf parses a block whose type is a private key. No error contains
// its content.
func privateKeyOf(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, fmt.Errorf("PEM block %q is encrypted with a passphrase: want it without one, as `openssl pkey` writes it", block.Type)
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

func parsePublicKey(block *pem.Block) (crypto.PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		return certifiedKey(block.Bytes)
	}
	return nil, errors.New("is neither a public key nor a certificate")
}

// certifiedKey returns the key of a certificate (RFC 5280 section 4.1). It
// ignores the rest of the certificate, because Go's parser refuses some
// certificates that are in use, such as those with a negative serial number.
func certifiedKey(der []byte) (crypto.PublicKey, error) {
	var certificate struct {
		Signed struct {
			Version                                      asn1.RawValue `asn1:"optional,tag:0"`
			Serial, Algorithm, Issuer, Validity, Subject asn1.RawValue
			Key                                          asn1.RawValue
		}
	}
	if _, err := asn1.Unmarshal(der, &certificate); err != nil {
		return nil, errors.New("is not a certificate")
	}
	return x509.ParsePKIXPublicKey(certificate.Signed.Key.FullBytes)
}
