package keys

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"gatehouse/auth/authtest"
)

func TestKeysRefused(t *testing.T) {
	public, err := x509.MarshalPKIXPublicKey(authtest.NewEd25519(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"empty":        nil,
		"not PEM":      []byte("secret of somebody"),
		"RSA too weak": authtest.PrivatePEM(t, authtest.NewRSA(t, 1024)),
		"P-384":        authtest.PrivatePEM(t, authtest.NewEC(t, elliptic.P384())),
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

	secret := []byte(authtest.Secret)
	for name, take := range map[string]func() (Ring, error){
		"algorithm none":  func() (Ring, error) { return FromSecret("none", secret) },
		"algorithm RS256": func() (Ring, error) { return FromSecret("RS256", secret) },
		"no algorithm":    func() (Ring, error) { return FromSecret("", secret) },
		"no secret":       func() (Ring, error) { return FromSecret("HS256", nil) },
		"empty previous":  func() (Ring, error) { return FromSecret("HS256", secret, []byte{}) },
	} {
		if _, err := take(); err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), authtest.Secret) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
}
