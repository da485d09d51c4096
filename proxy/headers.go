package proxy

// foldedNames is a set of header names that a backend may take for one
// another: case does not matter, and CGI-like servers turn "-" and "_" (some
// every character but letters and digits) into the same variable. They are
// kept folded and grouped by length, by which most headers are dismissed.
type foldedNames [][]string

func foldNames(names ...string) foldedNames {
	var set foldedNames
	for _, name := range names {
		for len(set) <= len(name) {
			set = append(set, nil)
		}
		folded := []byte(name)
		for i, c := range folded {
			folded[i] = foldByte(c)
		}
		set[len(name)] = append(set[len(name)], string(folded))
	}
	return set
}

// has reports whether the header is one of the names, however it is spelled.
func (s foldedNames) has(header string) bool {
	if len(header) >= len(s) {
		return false
	}
	for _, name := range s[len(header)] {
		if equalFolded(name, header) {
			return true
		}
	}
	return false
}

// equalFolded compares a header with a folded name of its length.
func equalFolded(folded, header string) bool {
	for i := range len(folded) {
		if folded[i] != foldByte(header[i]) {
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

// isAlias reports whether a name has a character that folds to "-" and is none.
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

// forbidden tells of a header that a client may not send to the route's backend.
// A trusted proxy may make its claims, but not under spellings that a proxy which
// writes the headers under their own names does not know: a client's would pass it.
func (t *Table) forbidden(name string, r *route, trusted bool) bool {
	switch {
	case t.owned.has(name) || len(r.config.Methods) > 0 && t.overrides.has(name):
		return true
	case trusted:
		return t.claims.has(name) && isAlias(name)
	}
	return t.claimed(name)
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

// identityHeader carries one claim to the backends.
type identityHeader struct {
	name  string // canonical
	claim string
}

// inject passes on what the gateway knows of the user. Claims that the token does
// not have leave their header absent.
func (x *exchange) inject(headers []identityHeader, put func(name string, values []string)) {
	if x.identity == nil {
		return
	}
	for _, h := range headers {
		if value := x.identity.Claim(h.claim); value != "" {
			put(h.name, x.singleValue(value))
		}
	}
}
