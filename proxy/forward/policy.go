package forward

import (
	"maps"
	"net/http"
	"net/textproto"
	"slices"

	"gatehouse/config"
)

// HeaderPolicy is what a route table says about headers: which ones a client may not
// send, which ones the gateway sends itself, and which ones a backend may not answer
// with. It never changes.
type HeaderPolicy struct {
	identity  []identityHeader
	answers   []fixedHeader // that every answer carries
	cors      bool          // the gateway answers for all origins
	owned     foldedNames   // headers that clients may never set
	claims    foldedNames   // headers that only trusted proxies may set
	overrides foldedNames   // headers by which a request could pass for one with another method
}

// identityHeader carries one claim to the backends.
type identityHeader struct {
	name  string // canonical
	claim string
}

// fixedHeader is a header that every answer carries; all answers share its value.
type fixedHeader struct {
	name   string // canonical
	values []string
}

// NewHeaderPolicy returns the policy of a configuration.
func NewHeaderPolicy(cfg *config.Config) *HeaderPolicy {
	p := &HeaderPolicy{cors: cfg.CORS != nil, claims: foldNames(clientClaims...), overrides: foldNames(methodOverrides...)}
	owned := slices.Concat(ownHeaders, framingHeaders)
	for header, claim := range cfg.Identity.Headers {
		owned = append(owned, header)
		p.identity = append(p.identity, identityHeader{name: textproto.CanonicalMIMEHeaderKey(header), claim: claim})
	}
	if len(cfg.Identity.Headers) == 0 { // the gateway sends none, and nobody else may send them instead
		owned = slices.AppendSeq(owned, maps.Keys(config.DefaultIdentityHeaders()))
	}
	p.owned = foldNames(owned...)
	for name, value := range cfg.ResponseHeaders {
		p.answers = append(p.answers, fixedHeader{textproto.CanonicalMIMEHeaderKey(name), []string{value}})
	}
	return p
}

// SetFixed sets the headers that every answer carries.
func (p *HeaderPolicy) SetFixed(header http.Header) {
	for _, h := range p.answers {
		header[h.name] = h.values
	}
}

// ownHeaders are those that only the gateway sends to backends, besides the
// identity headers. Those of a trusted proxy it has read before. Proxy is nobody's:
// in CGI it becomes HTTP_PROXY (CVE-2016-5385).
var ownHeaders = []string{"X-Request-ID", "Proxy", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// framingHeaders are for one hop alone, or say where a message ends. Under their
// own names the transports write or leave out what is right; a backend that folds
// names would take `Transfer_Encoding` for one of them (issue 10). Names without
// a hyphen have no other spelling.
var framingHeaders = []string{
	"Transfer-Encoding", "Content-Length", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "HTTP2-Settings",
}

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

// claimed reports whether the header is one that only a trusted proxy may send.
func (p *HeaderPolicy) claimed(header string) bool {
	if p.claims.has(header) {
		return true
	}
	for _, family := range claimFamilies {
		if len(header) >= len(family) && equalFolded(family, header[:len(family)]) {
			return true
		}
	}
	return false
}

// forbidden reports whether a client may not send the header to a backend, on a route
// that limits methods or not. A trusted proxy may make its claims, but not under
// spellings that a proxy which writes the headers under their own names does not know:
// a client's would pass it.
func (p *HeaderPolicy) forbidden(name string, limitsMethods, trusted bool) bool {
	switch {
	case p.owned.has(name) || limitsMethods && p.overrides.has(name):
		return true
	case trusted:
		return p.claims.has(name) && isAlias(name)
	}
	return p.claimed(name)
}

// isHopByHop tells of a header that is for the next hop alone (RFC 9110 section
// 7.6.1), or that only a proxy sends on: X-Forwarded-* are written anew.
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
		return true
	}
	return false
}
