package keys

// This file shows the tests of package keys_test what they count with.

import "github.com/golang-jwt/jwt/v5"

const (
	DefaultFresh  = defaultFresh
	FileFresh     = fileFresh
	FetchTimeout  = fetchTimeout
	MaxIssuerKeys = maxIssuerKeys
	MaxSetBytes   = maxSetBytes
	ReadWait      = readWait
	RetryPause    = retryPause
)

// KeyIDs returns the ids of the keys of a ring, the signing one first.
func KeyIDs(ring Ring) (ids []string) {
	for _, own := range ring.verify {
		ids = append(ids, own.id)
	}
	return ids
}

// FindInSet returns the keys of a published set that may have signed a token.
func FindInSet(content []byte, algorithm, id string) ([]jwt.VerificationKey, error) {
	set, err := parseSet(content)
	return set.find(algorithm, id), err
}

// SetSize is the number of keys in a published set.
func SetSize(content []byte) int {
	set, _ := parseSet(content)
	return set.size()
}
