package keys

import (
	"context"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// This file is the other issuers of one table, as far as a Verifier asks for them.

// Issuers are the other issuers of one table. A nil one has none.
type Issuers struct {
	byName     map[string]*Issuer
	keySources map[string]*source // by `keys`
}

// Issuer is one entry of `tokens`, with its keys.
type Issuer struct {
	Audiences  []string          // one of them has to be in `aud`; none asks nothing
	Algorithms []string          // of its tokens
	Claims     map[string]string // ours → theirs
	keySource  *source
}

// IssuerState is what is known of the keys of one issuer.
type IssuerState struct {
	Issuer      string
	Keys        int       // that may verify; 0 before they were read
	LastSuccess time.Time // when they were read last; zero before the first time
	Problem     error     // why the last reading failed, nil when it did not
}

// Named returns the issuer of that name, nil when there is none.
func (i *Issuers) Named(name string) *Issuer {
	if i == nil {
		return nil
	}
	return i.byName[name]
}

// Find returns the keys that may have signed a token of the issuer. Nothing is
// read because a token's header says so. For a key that the issuer may have made
// just now Find waits a moment, or until the context ends. The error is a
// *NotReadError where the keys cannot be read; any other words why no key fits.
func (i *Issuer) Find(ctx context.Context, algorithm, kid string) ([]jwt.VerificationKey, error) {
	return i.keySource.find(ctx, algorithm, kid)
}

// Version returns which keys the issuer publishes now. Those of a nil issuer are
// our own, which a table keeps for life.
func (i *Issuer) Version() Version {
	if i == nil {
		return Version{}
	}
	return Version{keySource: i.keySource, number: i.keySource.version()}
}

// Version says which keys a token was verified with: which set of another
// issuer's. It is zero for our own keys, which a Verifier keeps for life.
type Version struct {
	keySource *source
	number    int // its number rather than the set: old ones need not stay in memory
}

// Current reports whether the issuer still publishes these keys.
func (o Version) Current() bool {
	return o.keySource == nil || o.keySource.version() == o.number
}
