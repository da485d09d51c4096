// Package secretkeys has the keys that seal and sign what clients keep for the gateway, such
// as cookies. The first key of the file is used for what is new, all others still accept
// what was made with them. So a key is replaced without a break: put a new one first, and
// remove the old one when nothing made with it is left.
package secretkeys

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// minKey is the least length of a key in bytes.
	minKey = 32
	// maxKeys bounds the number of keys.
	maxKeys = 16
	// derived is the length of a derived key in bytes.
	derived = 32
)

// Ring is a list of keys. The zero value has none.
type Ring struct{ keys []string }

var errNoKey = errors.New("it has no key: write one a line, such as `openssl rand -base64 48` gives")

// Parse reads the keys of a file: one a line. Empty lines, and lines that begin with #, are
// ignored. No error repeats a key.
func Parse(text []byte) (Ring, error) {
	var ring Ring
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		key := strings.TrimSpace(line)
		switch {
		case key == "" || strings.HasPrefix(key, "#"):
			continue
		case len(key) < minKey:
			return Ring{}, fmt.Errorf("line %d: the key has %d bytes; it needs at least %d, such as `openssl rand -base64 48` gives", number, len(key), minKey)
		case slices.Contains(ring.keys, key):
			return Ring{}, fmt.Errorf("line %d: the key is there twice", number)
		case len(ring.keys) == maxKeys:
			return Ring{}, fmt.Errorf("line %d: more than %d keys: remove those with which nothing is left", number, maxKeys)
		}
		ring.keys = append(ring.keys, key)
	}
	if len(ring.keys) == 0 {
		return Ring{}, errNoKey
	}
	return ring, nil
}

// IsEmpty reports whether there is no key.
func (r Ring) IsEmpty() bool { return len(r.keys) == 0 }

// Derive returns one key of 32 bytes for each key of the ring, in the same order, for one
// use (HKDF with SHA-256, RFC 5869). A key of one use says nothing about those of others.
func (r Ring) Derive(use string) [][]byte {
	list := make([][]byte, len(r.keys))
	for i, key := range r.keys {
		list[i], _ = hkdf.Key(sha256.New, []byte(key), nil, "gatehouse "+use, derived) // fails only for longer keys
	}
	return list
}
