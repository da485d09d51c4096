package keys

// This file parses the keys that another issuer publishes, and finds those that
// may have signed a token.

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/internal/httperr"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// Bounds on the keys of an issuer.
const (
	maxIssuerKeys = 100
	minRSABits    = 2048 // RFC 7518 section 3.3
	maxRSABits    = 8192 // longer ones would take too long to verify
)

// issuerKey is a public key that verifies signatures.
type issuerKey struct {
	id        string // `kid`, "" without one
	algorithm string // the only one that the key is for, "" for all that fit its type
	public    crypto.PublicKey
}

// set is the keys that an issuer publishes at one time. It is immutable.
type set struct {
	keys    []issuerKey
	named   bool    // a key has an id, so tokens must name their key
	ignored []error // why keys were ignored
	version int     // its number among the sets of its source, from 1
}

// CheckSet returns an error when the content has no usable key of an issuer.
func CheckSet(content []byte) error {
	_, err := parseSet(content)
	return err
}

// parseSet parses a JWK set (RFC 7517 section 5), or public keys and
// certificates in PEM. Only the key of a certificate is used: the publisher of
// the set vouches for it. A set without a usable key is an error.
func parseSet(content []byte) (*set, error) {
	parse := parsePEM
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("{")) {
		parse = parseJWKs
	}
	set, err := parse(content)
	if err != nil {
		return nil, err
	}
	if len(set.keys) == 0 {
		return nil, errors.Join(append([]error{errors.New("no usable key found, in a JWK set or PEM")}, set.ignored...)...)
	}
	set.named = slices.ContainsFunc(set.keys, func(key issuerKey) bool { return key.id != "" })
	return set, nil
}

// add adds one entry to the set, or records why it is ignored. An unusable
// entry does not make the others unusable (RFC 7517 section 5).
func (s *set) add(key issuerKey, err error) error {
	if len(s.keys)+len(s.ignored) == maxIssuerKeys {
		return fmt.Errorf("more than %d keys", maxIssuerKeys)
	}
	if err == nil {
		err = checkPublicKey(key.public)
	}
	if err != nil {
		s.ignored = append(s.ignored, fmt.Errorf("key %d: %w", len(s.keys)+len(s.ignored)+1, err))
	} else {
		s.keys = append(s.keys, key)
	}
	return nil
}

func parseJWKs(content []byte) (*set, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(content, &document); err != nil {
		return nil, fmt.Errorf("read JWK set: %w", err)
	}
	set := new(set)
	for _, entry := range document.Keys {
		if err := set.add(parseJWK(entry)); err != nil {
			return nil, fmt.Errorf("read JWK set: %w", err)
		}
	}
	return set, nil
}

// publicMembers returns the members that describe a public key and its purpose
// (RFC 7518 section 6, RFC 8037 section 2). The other members of a JWK are not
// read: an `x5c` with a certificate that Go refuses does not make the key
// unusable (issue 10).
func publicMembers() []string {
	return []string{"kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e"}
}

// parseJWK parses one key (RFC 7517 section 4).
func parseJWK(entry []byte) (issuerKey, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(entry, &members); err != nil {
		return issuerKey{}, errors.New("is not a JSON object")
	}
	_, secret := members["k"]
	if _, private := members["d"]; private || secret {
		return issuerKey{}, errNotPublic
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return !slices.Contains(publicMembers(), name) })
	for _, name := range []string{"n", "e", "x", "y"} {
		if number, found := members[name]; found {
			members[name] = base64url(number)
		}
	}
	public, err := json.Marshal(members)
	if err != nil {
		return issuerKey{}, err
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(public); err != nil {
		return issuerKey{}, err
	}
	var purpose struct {
		Operations []string `json:"key_ops"` // go-jose does not check it
	}
	if err := json.Unmarshal(public, &purpose); err != nil {
		return issuerKey{}, err
	}
	if key.Use != "" && key.Use != "sig" || purpose.Operations != nil && !slices.Contains(purpose.Operations, "verify") {
		return issuerKey{}, errors.New("is not for verifying signatures")
	}
	return issuerKey{id: key.KeyID, algorithm: key.Algorithm, public: key.Key}, nil
}

// base64url returns a number of a JWK in the one form that go-jose reads. Some
// issuers pad it with `=`, or use the alphabet of standard base64.
func base64url(number json.RawMessage) json.RawMessage {
	text, isText := strings.CutPrefix(string(number), `"`)
	if !isText {
		return number
	}
	text = strings.TrimRight(strings.TrimSuffix(text, `"`), "=")
	return json.RawMessage(`"` + strings.NewReplacer("+", "-", `\/`, "_", "/", "_").Replace(text) + `"`)
}

func parsePEM(content []byte) (*set, error) {
	set := new(set)
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			return set, nil
		}
		public, err := parsePublicKey(block)
		if err := set.add(issuerKey{public: public}, err); err != nil {
			return nil, fmt.Errorf("read PEM: %w", err)
		}
	}
}

var errNotPublic = errors.New("is not a public key of RSA, EC or Ed25519")

// checkPublicKey returns an error for a key that verifies none of the accepted
// algorithms, and for a private key: anybody can sign with a private key that
// is published.
func checkPublicKey(key crypto.PublicKey) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("is RSA of %d bits: want %d to %d", bits, minRSABits, maxRSABits)
		}
		return nil
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return nil
	}
	return errNotPublic
}

// size returns the number of keys, which is 0 for a nil set.
func (s *set) size() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

// find returns the keys that may have signed a token. When keys have ids, the
// token must name one, unless a single key fits. It returns nil for a nil set.
func (s *set) find(algorithm, id string) []jwt.VerificationKey {
	if s == nil {
		return nil
	}
	var found []jwt.VerificationKey
	for _, key := range s.keys {
		if key.fits(algorithm) && (!s.named || id == "" || id == key.id) {
			found = append(found, key.public)
		}
	}
	if s.named && id == "" && len(found) > 1 {
		return nil
	}
	return found
}

// whyMissing returns an error that says why find returns no key.
func (s *set) whyMissing(algorithm, id string) error {
	switch named := slices.ContainsFunc(s.all(), func(key issuerKey) bool { return key.id == id }); {
	case id == "" && slices.ContainsFunc(s.all(), func(key issuerKey) bool { return key.fits(algorithm) }):
		return fmt.Errorf("it names no key (`kid`), and several of the issuer's %d are for %s", s.size(), algorithm)
	case id == "" || named:
		return fmt.Errorf("the issuer's key %s is not for %s, with which it is signed", httperr.Quote(id), algorithm)
	}
	return fmt.Errorf("its `kid` %s is none of the issuer's %d keys", httperr.Quote(id), s.size())
}

// all returns the keys, which are none for a nil set.
func (s *set) all() []issuerKey {
	if s == nil {
		return nil
	}
	return s.keys
}

// fits reports whether the algorithm fits the key: its type and curve (RFC 8725
// section 3.1), and the purpose that the issuer states.
func (k issuerKey) fits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch key := k.public.(type) {
	case *rsa.PublicKey:
		return slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, algorithm)
	case *ecdsa.PublicKey:
		return algorithm == "ES256" && key.Curve == elliptic.P256() ||
			algorithm == "ES384" && key.Curve == elliptic.P384() ||
			algorithm == "ES512" && key.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}
