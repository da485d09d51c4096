package account

// This file checks, hashes and compares passwords. The time of a comparison
// shows nothing about the account.

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
	maxPasswordBytes  = 72 // bcrypt ignores everything after them

	// maxBcryptCost takes about five seconds. An imported row with a hash of a
	// higher cost could keep the gateway busy for hours.
	maxBcryptCost = 16
	maxCostTime   = 5 * time.Second

	hashLength = 60 // characters
)

// Problems of a new password.
var (
	ErrPasswordShort = fmt.Errorf("password is too short: want %d characters or more", minPasswordLength)
	ErrPasswordLong  = fmt.Errorf("password is too long: want %d bytes or fewer", maxPasswordBytes)
	ErrPasswordText  = errors.New("password is not text: want UTF-8 without NUL characters")
)

// CheckNewPassword returns why a password cannot be a new one: one of the
// errors above, or nil.
func CheckNewPassword(password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPasswordLength:
		return ErrPasswordShort
	case len(password) > maxPasswordBytes:
		return ErrPasswordLong
	case !utf8.ValidString(password), strings.ContainsRune(password, 0): // C's bcrypt stops at a NUL
		return ErrPasswordText
	}
	return nil
}

// Passwords hashes and compares passwords. It runs all bcrypt work of the
// gateway, a few computations at a time (see hashlimiter.go). It is safe for
// concurrent use.
type Passwords struct {
	cost      int
	dummyHash []byte // the hash of a random password
	hasher    hasher
	compare   func(hash, password []byte) error
	limiter   *hashLimiter
}

// NewPasswords returns Passwords that hash with a bcrypt cost from 4 to 16;
// each step doubles the time. The requests function returns how many requests
// have arrived so far; they run first. It may be nil. NewPasswords itself takes
// as long as hashing one password.
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

// Hash returns the hash to store for a new password. It returns an error of
// CheckNewPassword for an unusable password, and ErrBusy when too many attempts
// wait.
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
// "" or unreadable matches no password, after as much work as for a wrong
// password. An error means that nothing was compared; it is ErrBusy when too
// many attempts wait.
//
// Only the first 72 bytes of a longer password are compared, as in the original
// gateway: its rows may have such passwords.
func (p *Passwords) Compare(ctx context.Context, hash, password string) (right bool, err error) {
	err = p.limiter.do(ctx, func() error {
		right = p.compareNow(hash, password)
		return nil
	})
	return right, err
}

// hashNow is Hash for callers that have a slot and a checked password.
func (p *Passwords) hashNow(password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program first
	hash, err := p.hasher.hash([]byte(password), salt, p.cost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// compareNow is Compare for callers that have a slot.
func (p *Passwords) compareNow(hash, password string) bool {
	return p.compareAtLeast(p.cost, hash, password)
}

// compareAtLeast is compareNow with the work of a hash of that cost, or more.
func (p *Passwords) compareAtLeast(cost int, hash, password string) bool {
	stored, readable := []byte(hash), readableHash(hash)
	if !readable {
		stored = p.dummyHash
	}
	err := p.compare(stored, []byte(password))
	// A row of a lower cost must not answer sooner than an unknown e-mail. A
	// row of a higher cost still answers later: do not set GATEWAY_BCRYPT_COST
	// below the cost of the rows.
	for _, cost := range missingWork(hashCost(stored), max(cost, p.cost)) {
		_, _ = p.hasher.sum([]byte(password), p.dummyHash[:saltBytes], cost)
	}
	return readable && err == nil
}

// outdated reports whether a readable hash has a lower cost than new ones.
func (p *Passwords) outdated(hash string) bool { return hashCost([]byte(hash)) < p.cost }

// missingWork returns the costs of the computations that are still needed after
// one of cost done, to take as long as one of cost wanted. Each cost takes
// twice as long as the one before.
func missingWork(done, wanted int) (costs []int) {
	for cost := done; cost < wanted; cost++ {
		costs = append(costs, cost)
	}
	return costs
}

// hashCost returns the cost of a readable hash.
func hashCost(hash []byte) int {
	cost, _ := bcrypt.Cost(hash)
	return cost
}

// hashForm matches a bcrypt hash: version, cost, 22 characters of salt and 31
// of sum, in bcrypt's own base64. passlib writes version 2b, Go 2a and PHP 2y;
// they mean the same.
var hashForm = regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

// hashVersion matches the beginning of every hash of the bcrypt family.
var hashVersion = regexp.MustCompile(`^\$(2[a-z]?)\$`)

// CheckHash returns why nobody could log in with a stored hash: it is not a
// bcrypt hash, its version is not supported, it is cut off, or its cost is too
// high. The error does not contain the hash.
func CheckHash(hash string) error {
	version := hashVersion.FindStringSubmatch(hash)
	cost, costErr := bcrypt.Cost([]byte(hash))
	switch {
	case version == nil:
		return errors.New("not a bcrypt hash: want one that begins with $2b$")
	case version[1] != "2a" && version[1] != "2b" && version[1] != "2y":
		return fmt.Errorf("a bcrypt hash of version %s, which only faulty implementations wrote: want 2a, 2b or 2y, so set a new password", version[1])
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

// readableHash reports whether a comparison with the hash would run bcrypt.
func readableHash(hash string) bool { return CheckHash(hash) == nil }
