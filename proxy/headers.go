package proxy

import (
	"net/http"

	"gatehouse/auth"
)

// foldedNames is a set of header names that a backend may take for one
// another: case does not matter, and CGI-like servers turn "-" and "_" (some
// "." too) into the same variable.
type foldedNames struct {
	names   []string
	lengths uint64 // bit n%64 is set when a name has n bytes: most headers are dismissed by it
}

func foldNames(names ...string) foldedNames {
	set := foldedNames{names: names}
	for _, name := range names {
		set.lengths |= 1 << (len(name) % 64)
	}
	return set
}

// has tells whether the header is one of the names, however it is spelled.
func (s *foldedNames) has(header string) bool {
	if s.lengths&(1<<(len(header)%64)) == 0 {
		return false
	}
	for _, name := range s.names {
		if equalFolded(name, header) {
			return true
		}
	}
	return false
}

func equalFolded(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if foldByte(a[i]) != foldByte(b[i]) {
			return false
		}
	}
	return true
}

func foldByte(c byte) byte {
	switch {
	case c == '_' || c == '.':
		return '-'
	case 'A' <= c && c <= 'Z':
		return c | 0x20
	}
	return c
}

// remove deletes every spelling of the names.
func (s *foldedNames) remove(header http.Header) {
	for name := range header {
		if s.has(name) {
			delete(header, name)
		}
	}
}

// ownHeaders are those that only the gateway sends to backends, besides the
// identity headers. Those of a trusted proxy it has read before.
var ownHeaders = []string{"X-Request-ID", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// clientClaims are headers in which a client could claim what only a trusted
// proxy may say. X-Original-URL and X-Rewrite-URL make some frameworks route by
// them instead of by the path.
var clientClaims = []string{
	"X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Forwarded-Method",
	"X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Original-URL", "X-Original-Host", "X-Rewrite-URL",
}

// identityHeader carries one claim to the backends.
type identityHeader struct {
	name  string // canonical
	claim string
}

// inject writes what the gateway knows of the user. Claims that the token does
// not have leave their header absent.
func inject(header http.Header, identity *auth.Identity, headers []identityHeader) {
	if identity == nil {
		return
	}
	for _, h := range headers {
		if value := identity.Claim(h.claim); value != "" {
			header[h.name] = []string{value}
		}
	}
}
