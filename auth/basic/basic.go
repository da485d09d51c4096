// Package basic checks the user names and passwords of HTTP Basic authentication (RFC
// 7617), for routes with `basic: file.htpasswd`.
//
//	basic.go        decides about a request
//	credentials.go  parses the Authorization header
//	users.go        parses an htpasswd file
//	remembered.go   passwords that were right a short time ago
//	refusals.go     the errors
//
// The first request with a password costs a bcrypt, within the limits that logins have
// (account.Guard). Later ones with the same password cost a hash in memory.
package basic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/singleflight"

	"gatehouse/auth/account"
	"gatehouse/internal/httperr"
)

// Checker checks passwords. There is one for all tables of a process. It is safe for
// concurrent use.
type Checker struct {
	guard      *account.Guard
	now        func() time.Time
	remembered *remembered
	comparing  singleflight.Group // attempts with the same credentials share one bcrypt
}

// NewChecker returns a Checker that compares passwords within the limits of the guard.
func NewChecker(guard *account.Guard, now func() time.Time) *Checker {
	return &Checker{guard: guard, now: now, remembered: newRemembered()}
}

// Decide returns the name of the user who sends a request, or the refusal. The client's
// address may be invalid. A password is compared to the end even if the client leaves,
// so that its failure counts.
func (c *Checker) Decide(ctx context.Context, realm *Realm, header http.Header, client netip.Addr) (name string, refusal *httperr.Error) {
	sent, refusal := realm.credentials(header)
	if refusal != nil {
		return "", refusal
	}
	hash := realm.users.hashes[sent.name] // "" for an unknown name
	key := c.remembered.key(sent, hash)
	if hash != "" && c.remembered.has(key, c.now()) {
		return sent.name, nil
	}
	compared := c.comparing.DoChan(string(key[:])+client.String(), func() (any, error) {
		right, refusal := c.guard.Compare(context.WithoutCancel(ctx), account.Comparison{
			Account: "basic\x00" + realm.users.file + "\x00" + sent.name, Client: client,
			Hash: hash, Password: sent.password, Cost: realm.users.cost,
		})
		switch {
		case refusal != nil:
			return notCompared(refusal), nil
		case !right:
			return realm.refuseWrong, nil
		}
		c.remembered.add(key, c.now())
		return (*httperr.Error)(nil), nil
	})
	select {
	case result := <-compared:
		if refusal, _ = result.Val.(*httperr.Error); refusal != nil {
			return "", refusal
		}
		return sent.name, nil
	case <-ctx.Done():
		return "", clientGone
	}
}

// Realm is the users of a file, with the name under which browsers ask for their
// passwords (RFC 9110 section 11.5).
type Realm struct {
	users       *Users
	refuseNone  *httperr.Error
	refuseWrong *httperr.Error
}

// NewRealm returns the realm of a name and users.
func NewRealm(name string, users *Users) *Realm {
	challenge := challengeOf(name)
	return &Realm{users: users, refuseNone: refuse(challenge, noCredentials), refuseWrong: refuse(challenge, wrongCredentials)}
}

// Has reports whether the file has the user.
func (r *Realm) Has(name string) bool { return r.users.hashes[name] != "" }

// Digests returns the users of the file, with a digest of the hash of each password. Two
// files let a user through with the same password when the digests are equal.
func (r *Realm) Digests() map[string]string {
	digests := make(map[string]string, len(r.users.hashes))
	for name, hash := range r.users.hashes {
		sum := sha256.Sum256([]byte(hash))
		digests[name] = hex.EncodeToString(sum[:])
	}
	return digests
}

// Answer answers a question about a request: it compares the password without any
// limit, and remembers nothing. It must not be used for requests of clients.
func (r *Realm) Answer(header http.Header) *httperr.Error {
	sent, refusal := r.credentials(header)
	if refusal != nil {
		return refusal
	}
	hash := r.users.hashes[sent.name]
	if hash == "" || bcrypt.CompareHashAndPassword([]byte(hash), []byte(sent.password)) != nil {
		return r.refuseWrong
	}
	return nil
}

// Simulated returns the refusal of a user of a question: nil if the file has the user.
func (r *Realm) Simulated(name string) *httperr.Error {
	if r.Has(name) {
		return nil
	}
	return r.refuseWrong
}
