package forward

import (
	"maps"
	"net/textproto"
	"slices"

	"gatehouse/config"
	"gatehouse/proxy/headers"
)

// HeaderPolicy is the part of a route table about headers. It knows which headers a client
// may not send, which the gateway itself sends, and which a backend may not answer with.
// It never changes.
type HeaderPolicy struct {
	identity []identityHeader
	answers  *headers.Rules // changes to every answer; nil without
	// changes are the rules of the routes. Routes that inherit theirs share them.
	changes   map[*config.HeaderRules]*headers.Rules
	owned     headers.Names // headers that clients may never send
	claims    headers.Names // headers that only trusted proxies may send
	overrides headers.Names // headers that make some backends use another method
}

// identityHeader is a header that sends one claim of the user to the backends.
type identityHeader struct {
	name  string // canonical
	claim string
}

// NewHeaderPolicy returns the policy of a configuration.
func NewHeaderPolicy(cfg *config.Config) *HeaderPolicy {
	p := &HeaderPolicy{
		changes: map[*config.HeaderRules]*headers.Rules{},
		answers: headers.NewRules(cfg.ResponseHeaders.Rules()),
		claims:  headers.NewNames(clientClaims...), overrides: headers.NewNames(methodOverrides...),
	}
	owned := slices.Concat(ownHeaders, framingHeaders)
	for header, claim := range cfg.Identity.Headers {
		owned = append(owned, header)
		p.identity = append(p.identity, identityHeader{name: textproto.CanonicalMIMEHeaderKey(header), claim: claim})
	}
	if len(cfg.Identity.Headers) == 0 { // the gateway sends none, and a client may not send them either
		owned = slices.AppendSeq(owned, maps.Keys(config.DefaultIdentityHeaders()))
	}
	p.owned = headers.NewNames(owned...)
	for i := range cfg.Routes {
		for _, rules := range []*config.HeaderRules{cfg.Routes[i].RequestHeaders, cfg.Routes[i].ResponseHeaders} {
			if _, known := p.changes[rules]; !known && rules != nil {
				p.changes[rules] = headers.NewRules(rules)
			}
		}
	}
	return p
}

// Changes returns the compiled rules of a route. It returns nil for rules that change
// nothing.
func (p *HeaderPolicy) Changes(rules *config.HeaderRules) *headers.Rules { return p.changes[rules] }

// Answers returns the changes to the headers of every answer, or nil.
func (p *HeaderPolicy) Answers() *headers.Rules { return p.answers }

// ownHeaders are the headers, besides the identity headers, that only the gateway
// sends to backends. It has read those of a trusted proxy before. The gateway does
// not send Proxy, and no one else may: CGI turns it into HTTP_PROXY (CVE-2016-5385).
var ownHeaders = []string{"X-Request-ID", "Proxy", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// framingHeaders are headers for one hop only, and headers that define where a message
// ends. The transports handle them under their own names. But a backend that folds names
// would read `Transfer_Encoding` as one of them (issue 10). Names without a hyphen are
// not here because they have no other spelling.
var framingHeaders = []string{
	"Transfer-Encoding", "Content-Length", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "HTTP2-Settings",
}

// clientClaims are headers that only a trusted proxy may send, besides those in
// claimFamilies: a client could lie in them. Some frameworks route by X-Rewrite-URL
// instead of the path. Backends may do less for a copy, which X-Mirrored marks.
var clientClaims = []string{
	"X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP",
	"X-Host", "X-Mirrored", "X-Rewrite-URL", "X-Envoy-Original-Path", "X-Envoy-External-Address",
	"Remote-User", "X-Remote-User", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups",
	"Forwarded-For",
}

// claimFamilies are folded prefixes. A header with such a prefix counts as one of
// clientClaims.
var claimFamilies = []string{"x-forwarded", "x-original-"}

// methodOverrides are headers that make some backends use another method than that of
// the request. The route may limit methods, and would refuse that other method.
var methodOverrides = []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"}

// claimed reports whether only a trusted proxy may send the header.
func (p *HeaderPolicy) claimed(header string) bool {
	if p.claims.Has(header) {
		return true
	}
	for _, family := range claimFamilies {
		if headers.HasPrefix(header, family) {
			return true
		}
	}
	return false
}

// forbidden reports whether the header must not pass to a backend. limitsMethods says
// that the route limits methods; trusted says that a trusted proxy sent the request.
// A trusted proxy may send clientClaims, but only under their usual names. It would not
// remove a client's header with an unusual spelling.
func (p *HeaderPolicy) forbidden(name string, limitsMethods, trusted bool) bool {
	switch {
	case p.owned.Has(name) || limitsMethods && p.overrides.Has(name):
		return true
	case trusted:
		return p.claims.Has(name) && headers.IsAlias(name)
	}
	return p.claimed(name)
}

// isHopByHop reports whether a header is for the next hop only (RFC 9110 section
// 7.6.1). Forwarded and X-Forwarded-* count as such, because the gateway replaces them.
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
		return true
	}
	return false
}
