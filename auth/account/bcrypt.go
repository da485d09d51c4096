package account

// This file implements bcrypt (Provos and Mazières, "A Future-Adaptable
// Password Scheme", 1999) in steps, with the Blowfish of golang.org/x/crypto.
// The bcrypt of that module computes for a quarter of a second without a pause.
// Go interrupts such work only every 10 ms, and the kernel at times of its own
// choice, so requests would wait (see pacer.go). The tests compare this bcrypt
// with that of the module.

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/crypto/blowfish" //nolint:staticcheck // deprecated for new systems, but bcrypt needs it
)

const (
	saltBytes    = 16
	saltLength   = 22 // characters, in a hash
	sumLength    = 31 // characters
	sumBytes     = 23 // of 24: every bcrypt drops the last one
	sumText      = "OrpheanBeholderScryDoubt"
	sumEncrypted = 64 // times
)

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

var (
	bcryptBase64 = base64.NewEncoding(bcryptAlphabet).WithPadding(base64.NoPadding)
	errMismatch  = errors.New("hash is not of the password")
)

// hasher computes bcrypt and lets requests run first.
type hasher struct {
	requests func() uint64 // how many have arrived so far
}

// compare returns nil when hash is the hash of the password. The hash must
// match hashForm.
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

// hash returns the hash of a password of up to 72 bytes, with a salt of 16
// bytes.
func (h hasher) hash(password, salt []byte, cost int) (string, error) {
	sum, err := h.sum(password, salt, cost)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$2a$%02d$%s%s", cost, bcryptBase64.EncodeToString(salt), sum), nil
}

// sum returns the sum, which is the last part of a hash.
func (h hasher) sum(password, salt []byte, cost int) (string, error) {
	key := slices.Concat(password, []byte{0}) // C's bcrypt includes the terminating NUL
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
