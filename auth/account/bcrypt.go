package account

// This file is bcrypt (Provos and Mazières, "A Future-Adaptable Password
// Scheme", 1999), in steps, over the Blowfish of golang.org/x/crypto. That
// module's own bcrypt computes for a quarter of a second in one go. Go takes a
// processor away from such work only every 10 ms, and the kernel in its own time,
// so that requests would wait for it (see pacer.go). The tests hold the two
// against each other.

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/crypto/blowfish" //nolint:staticcheck // deprecated for new systems, but bcrypt is made of it
)

const (
	saltBytes    = 16
	saltLength   = 22 // characters, in a hash
	sumLength    = 31 // characters
	sumBytes     = 23 // of 24: every bcrypt leaves the last one out
	sumText      = "OrpheanBeholderScryDoubt"
	sumEncrypted = 64 // times
)

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

var (
	bcryptBase64 = base64.NewEncoding(bcryptAlphabet).WithPadding(base64.NoPadding)
	errMismatch  = errors.New("hash is not of the password")
)

// hasher computes bcrypt, and lets requests go first.
type hasher struct {
	requests func() uint64 // how many have come so far
}

// compare returns nil when hash, in the form of hashForm, is that of the
// password.
func (h hasher) compare(hash, password []byte) error {
	head := len(hash) - saltLength - sumLength
	cost, err := strconv.Atoi(string(hash[head-3 : head-1]))
	if err != nil {
		return fmt.Errorf("read cost: %w", err)
	}
	salt, err := bcryptBase64.DecodeString(string(hash[head : head+saltLength]))
	if err != nil {
		return fmt.Errorf("read salt: %w", err)
	}
	sum, err := h.sum(password, salt, cost)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(sum), hash[head+saltLength:]) != 1 {
		return errMismatch
	}
	return nil
}

// hash makes the hash of a password of up to 72 bytes, from 16 bytes of
// salt.
func (h hasher) hash(password, salt []byte, cost int) (string, error) {
	sum, err := h.sum(password, salt, cost)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$2a$%02d$%s%s", cost, bcryptBase64.EncodeToString(salt), sum), nil
}

// sum returns the last characters of a hash.
func (h hasher) sum(password, salt []byte, cost int) (string, error) {
	key := slices.Concat(password, []byte{0}) // as C's bcrypt ends it
	cipher, err := blowfish.NewSaltedCipher(key, salt)
	if err != nil {
		return "", fmt.Errorf("set up Blowfish: %w", err)
	}
	pacer := newPacer(h.requests)
	for range uint64(1) << cost {
		blowfish.ExpandKey(key, cipher)
		blowfish.ExpandKey(salt, cipher)
		pacer.step()
	}
	sum := []byte(sumText)
	for block := range 3 {
		part := sum[8*block : 8*block+8]
		for range sumEncrypted {
			cipher.Encrypt(part, part)
		}
	}
	return bcryptBase64.EncodeToString(sum[:sumBytes]), nil
}
