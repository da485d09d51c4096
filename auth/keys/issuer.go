package keys

import (
	"context"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// This file has the other issuers of one table, as a Verifier uses them.

// Issuers holds the other issuers of one table. A nil Issuers is empty.
type Issuers struct {
	byName     map[string]*Issuer
	keySources map[string]*source // by `keys`
}

// Issuer is one entry of `tokens`, with its keys.
type Issuer struct {
	Audiences  []string          // `aud` must have one of them; empty allows every audience
	Algorithms []string          // of its tokens
	Claims     map[string]string // our name → the issuer's name
	Leeway     time.Duration     // how long a token is accepted after its `exp`
	keySource  *source
}

// IssuerState is what is known about the keys of one issuer.
type IssuerState struct {
	Issuer      string
	Keys        int       // keys that may verify; 0 before the first reading
	LastSuccess time.Time // when they were last read; zero before the first time
	Problem     error     // why the last reading failed, nil when it succeeded
}

// Named returns the issuer of that name, or nil.
func (i *Issuers) Named(name string) *Issuer {
	if i == nil {
		return nil
	}
	return i.byName[name]
}

// Find returns the keys that may have signed a token of the issuer. A token's
// header never causes a fetch from a place that it names. For an unknown key,
// which the issuer may have just made, Find waits a moment, or until the
// context ends. The error is a *NotReadError when the keys cannot be read. Any
// other error says why no key fits.
func (i *Issuer) Find(ctx context.Context, algorithm, kid string) ([]jwt.VerificationKey, error) {
	return i.keySource.find(ctx, algorithm, kid)
}

// Version returns the version of the keys that the issuer publishes now. A nil
// issuer means our own keys, which never change during the life of a table.
func (i *Issuer) Version() Version {
	if i == nil {
		return Version{}
	}
	return Version{keySource: i.keySource, number: i.keySource.version()}
}

// Version is the version of another issuer's key set with which a token was
// verified. It is zero for our own keys, which a Verifier never changes.
type Version struct {
	keySource *source
	number    int // a number, not the set: old sets need not stay in memory
}

// Current reports whether the issuer still publishes these keys.
func (o Version) Current() bool {
	return o.keySource == nil || o.keySource.version() == o.number
}
