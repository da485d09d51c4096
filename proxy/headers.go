package proxy

import (
	"net/http"

	"gatehouse/auth"
)

// foldedNames is a set of header names that a backend may take for one
// another: case does not matter, and CGI-like servers turn "-" and "_" (some
// every character but letters and digits) into the same variable.
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
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	case 'A' <= c && c <= 'Z':
		return c | 0x20
	}
	return '-'
}

// remove deletes every spelling of the names.
func (s *foldedNames) remove(header http.Header) {
	for name := range header {
		if s.has(name) {
			delete(header, name)
		}
	}
}

// removeAliases deletes those spellings that a proxy which writes the headers
// under their own names does not know: a client's would pass it.
func (s *foldedNames) removeAliases(header http.Header) {
	for name := range header {
		if isAlias(name) && s.has(name) {
			delete(header, name)
		}
	}
}

// isAlias tells whether a name has a character that folds to "-" and is none.
func isAlias(name string) bool {
	for i := range len(name) {
		if name[i] != '-' && foldByte(name[i]) == '-' {
			return true
		}
	}
	return false
}

// ownHeaders are those that only the gateway sends to backends, besides the
// identity headers. Those of a trusted proxy it has read before. Proxy is nobody's:
// in CGI it becomes HTTP_PROXY (CVE-2016-5385).
var ownHeaders = []string{"X-Request-ID", "Proxy", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// clientClaims are headers in which a client could claim what only a trusted
// proxy may say, besides the families of claimFamilies. X-Rewrite-URL makes some
// frameworks route by it instead of by the path.
var clientClaims = []string{
	"X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP",
	"X-Host", "X-Rewrite-URL", "X-Envoy-Original-Path", "X-Envoy-External-Address",
	"Remote-User", "X-Remote-User", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups",
	"Forwarded-For",
}

// claimFamilies are beginnings, folded, of whole families of such headers.
var claimFamilies = []string{"x-forwarded", "x-original-"}

// methodOverrides let a request be taken for one with another method, which a
// route that limits methods would have refused.
var methodOverrides = []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"}

// claimed tells whether the header is one that only a trusted proxy may send.
func (t *Table) claimed(header string) bool {
	if t.claims.has(header) {
		return true
	}
	for _, family := range claimFamilies {
		if len(header) >= len(family) && equalFolded(family, header[:len(family)]) {
			return true
		}
	}
	return false
}

// removeClaims deletes what a client that is no trusted proxy claims.
func (t *Table) removeClaims(header http.Header) {
	for name := range header {
		if t.claimed(name) {
			delete(header, name)
		}
	}
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
