package backend

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// Tags are the values of sticky cookies: one for each server of a backend. A tag says
// nothing about its server, and nobody without the key can make one. It is the first half
// of an HMAC with SHA-256 over the names of the backend and the server.

// tagBytes is the length of a tag in bytes, before it is encoded.
const tagBytes = 16

// tags are the tags of all servers of a backend.
type tags struct {
	of      map[*Server]string // made with the first key
	servers map[string]*Server // by tag, made with any key
}

// newTags returns the tags of servers. keys are those of the process; without any, no
// server has a tag. The caller holds the lock of the state.
func newTags(backend string, all []member, keys [][]byte) *tags {
	t := &tags{of: make(map[*Server]string, len(all)), servers: make(map[string]*Server, len(all)*len(keys))}
	for _, m := range all {
		for i, key := range keys {
			tag := tagOf(key, backend, m.server.id)
			t.servers[tag] = m.server
			if i == 0 {
				t.of[m.server] = tag
			}
		}
	}
	return t
}

func tagOf(key []byte, backend, server string) string {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(backend + "\x00" + server))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:tagBytes])
}

// Tagged returns the server with a tag. It returns nil for a tag that the gateway has not
// made, and for one of a server that has left the backend.
func (b *Backend) Tagged(tag string) *Server {
	if tag == "" {
		return nil
	}
	return b.current().tags.servers[tag]
}

// Tag returns the tag of a server, or "" when it has none.
func (b *Backend) Tag(s *Server) string { return b.current().tags.of[s] }

// SetKeys sets the keys of the tags, of which the first one makes new tags. They are secret.
func (r *Registry) SetKeys(keys [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tagKeys.Store(&keys)
	for _, s := range r.states {
		s.version.Add(1)
	}
}
