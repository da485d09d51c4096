package account

// This file keeps passwords: which ones are good enough, how they are hashed,
// and how one is compared so that the time taken tells nothing.

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

const (
	minPasswordLength = 6  // characters
	maxPasswordBytes  = 72 // bcrypt reads no further: what follows would count for nothing

	// maxBcryptCost takes some five seconds. A hash of a higher cost, in a row
	// that somebody imported, would be a way to keep the gateway busy for hours.
	maxBcryptCost = 16
	maxCostTime   = 5 * time.Second

	hashLength = 60 // characters
)

// What can be wrong with a new password.
var (
	ErrPasswordShort = fmt.Errorf("password is too short: want %d characters or more", minPasswordLength)
	ErrPasswordLong  = fmt.Errorf("password is too long: want %d bytes or fewer", maxPasswordBytes)
	ErrPasswordText  = errors.New("password is not text: want UTF-8 without NUL characters")
)

// CheckNewPassword says what is wrong with a password that somebody wants to
// have: one of the errors above, or nil.
func CheckNewPassword(password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPasswordLength:
		return ErrPasswordShort
	case len(password) > maxPasswordBytes:
		return ErrPasswordLong
	case !utf8.ValidString(password), strings.ContainsRune(password, 0): // C's bcrypt ends at a NUL
		return ErrPasswordText
	}
	return nil
}

// Passwords hashes and compares passwords. All bcrypt work of the gateway goes
// through it, a few at a time (see hashlimiter.go). It is safe for concurrent use.
type Passwords struct {
	cost      int
	dummyHash []byte // the hash of a password that nobody knows
	hasher    hasher
	compare   func(hash, password []byte) error
	limiter   *hashLimiter
}

// NewPasswords hashes with a bcrypt cost from 4 to 16; every step doubles the
// time. Requests returns how many requests have come so far, which go first;
// nil says that none do. Making it takes as long as hashing one password.
func NewPasswords(cost int, requests func() uint64) (*Passwords, error) {
	if cost < bcrypt.MinCost || cost > maxBcryptCost {
		return nil, fmt.Errorf("bcrypt cost %d is out of range: want %d to %d", cost, bcrypt.MinCost, maxBcryptCost)
	}
	if requests == nil {
		requests = func() uint64 { return 0 }
	}
	h := hasher{requests}
	p := &Passwords{cost: cost, hasher: h, compare: h.compare, limiter: newHashLimiter()}
	nobodys, err := p.hashNow(rand.Text())
	if err != nil {
		return nil, err
	}
	p.dummyHash = []byte(nobodys)
	return p, nil
}

// Hash makes the hash to store of a new password, or says what is wrong with
// the password (see CheckNewPassword). It returns ErrBusy when too many wait.
func (p *Passwords) Hash(ctx context.Context, password string) (hash string, err error) {
	if err := CheckNewPassword(password); err != nil {
		return "", err
	}
	err = p.limiter.do(ctx, func() error {
		hash, err = p.hashNow(password)
		return err
	})
	return hash, err
}

// Compare reports whether a stored hash is that of the password. A hash that is
// "" or unreadable is nobody's: the answer is no, after as much work as a wrong
// password takes. An error says that nothing was compared; it is ErrBusy when
// too many wait.
//
// Of a password beyond 72 bytes the first 72 are compared, as the original
// gateway did: rows it wrote may have such passwords.
func (p *Passwords) Compare(ctx context.Context, hash, password string) (right bool, err error) {
	err = p.limiter.do(ctx, func() error {
		right = p.compareNow(hash, password)
		return nil
	})
	return right, err
}

// hashNow is Hash for callers that have a slot, and a password that was checked.
func (p *Passwords) hashNow(password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // it never fails: crypto/rand ends the program first
	hash, err := p.hasher.hash([]byte(password), salt, p.cost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// compareNow is Compare for callers that have a slot.
func (p *Passwords) compareNow(hash, password string) bool {
	stored, readable := []byte(hash), readableHash(hash)
	if !readable {
		stored = p.dummyHash
	}
	err := p.compare(stored, []byte(password))
	// A row of a lower cost must not answer sooner than an e-mail that nobody
	// has. What a row of a higher cost takes longer is left as it is: do not set
	// GATEWAY_BCRYPT_COST below that of the rows.
	for _, cost := range missingWork(hashCost(stored), p.cost) {
		_, _ = p.hasher.sum([]byte(password), p.dummyHash[:saltBytes], cost)
	}
	return readable && err == nil
}

// outdated reports whether a readable hash is of a lower cost than new ones.
func (p *Passwords) outdated(hash string) bool { return hashCost([]byte(hash)) < p.cost }

// missingWork returns the costs of the computations that, after one of the first
// cost, make up one of the second: each further cost doubles what was done.
func missingWork(done, wanted int) (costs []int) {
	for cost := done; cost < wanted; cost++ {
		costs = append(costs, cost)
	}
	return costs
}

// hashCost is the cost of a readable hash.
func hashCost(hash []byte) int {
	cost, _ := bcrypt.Cost(hash)
	return cost
}

// hashForm is a bcrypt hash: version, cost, and 22 characters of salt and 31
// of hash in bcrypt's own base64. passlib writes 2b, Go 2a, PHP 2y: the same.
var hashForm = regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

// hashVersion is what every hash of the bcrypt family begins with.
var hashVersion = regexp.MustCompile(`^\$(2[a-z]?)\$`)

// CheckHash says why nobody could log in with a stored hash: it is none of
// bcrypt's, or of a version that is read nowhere, or cut, or so costly that it
// is refused. The error does not repeat the hash.
func CheckHash(hash string) error {
	version := hashVersion.FindStringSubmatch(hash)
	cost, costErr := bcrypt.Cost([]byte(hash))
	switch {
	case version == nil:
		return errors.New("not a bcrypt hash: want one that begins with $2b$")
	case version[1] != "2a" && version[1] != "2b" && version[1] != "2y":
		return fmt.Errorf("a bcrypt hash of version %s, of implementations that were wrong: want 2a, 2b or 2y, so a new password", version[1])
	case len(hash) != hashLength:
		return fmt.Errorf("not a whole bcrypt hash: it has %d characters, want %d", len(hash), hashLength)
	case costErr != nil || !hashForm.MatchString(hash):
		return errors.New("not a bcrypt hash: its cost, salt or sum cannot be read")
	case cost > maxBcryptCost:
		return fmt.Errorf("a bcrypt hash of cost %d, which takes %v or so a guess: want %d at most",
			cost, maxCostTime<<(cost-maxBcryptCost), maxBcryptCost)
	}
	return nil
}

// readableHash reports whether comparing with the hash would do the work.
func readableHash(hash string) bool { return CheckHash(hash) == nil }
