package basic

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strconv"
	"sync"
	"time"
)

const (
	// maxRemembered bounds each of two generations of passwords.
	maxRemembered = 2048
	// rememberedFor is how long a password is remembered at most.
	rememberedFor = 15 * time.Minute
)

// rememberedKey identifies a name, a password and the hash in the file. It cannot be
// computed, or turned back, without the key of the process.
type rememberedKey [sha256.Size]byte

// remembered are credentials that were right a short time ago. The hash in the file is a
// part of each key. So a password that was changed in the file, or whose user was
// removed, is not found any more.
type remembered struct {
	secret []byte

	mu            sync.RWMutex
	current, last map[rememberedKey]time.Time // when the password was compared
}

func newRemembered() *remembered {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // it never fails
	return &remembered{secret: secret, current: map[rememberedKey]time.Time{}}
}

// key returns the key of credentials. Each part is preceded by its length, so that no two
// triples have the same text.
func (m *remembered) key(sent credentials, hash string) (key rememberedKey) {
	mac := hmac.New(sha256.New, m.secret)
	for _, part := range []string{sent.name, hash, sent.password} {
		mac.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		mac.Write([]byte{':'})
		mac.Write([]byte(part))
	}
	mac.Sum(key[:0])
	return key
}

// has reports whether the credentials are remembered.
func (m *remembered) has(key rememberedKey, now time.Time) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, found := m.current[key]
	if !found {
		at, found = m.last[key]
	}
	return found && now.Sub(at) < rememberedFor
}

// add remembers credentials. When the current generation is full, it becomes the last
// one, and the last one is forgotten.
func (m *remembered) add(key rememberedKey, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.current) >= maxRemembered {
		m.last, m.current = m.current, map[rememberedKey]time.Time{}
	}
	m.current[key] = now
}
