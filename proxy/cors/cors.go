// Package cors answers preflights, and sets the CORS headers of all other answers (Fetch
// standard, section 3.2).
//
//	cors.go       the policy of a table or of a route, and the headers of answers
//	preflight.go  the answers to preflights
package cors

import (
	"net/http"
	"slices"
	"strings"

	"gatehouse/config"
)

// Policy is the `cors` part of a route table or of a route. It never changes. Without a
// Policy, the backends handle CORS.
type Policy struct {
	origins     []config.OriginPattern
	any         bool      // one of the origins is "*"
	varies      []string  // value of Vary: "Origin"; all answers share it and the next two
	credentials []string  // value of Access-Control-Allow-Credentials, or nil
	expose      []string  // value of Access-Control-Expose-Headers, or nil
	maxAge      int       // in seconds
	methods     []string  // that preflights allow; nil for the usual ones and those of the routes
	headers     []string  // that preflights allow; nil for all
	private     bool      // listed origins may send requests into a private network
	also        []*Policy // must allow an origin, too; see Strictest
}

// New returns the Policy of cfg. It returns nil if cfg is nil or off, and an error if an
// origin is invalid.
func New(cfg *config.CORS) (*Policy, error) {
	if cfg == nil || cfg.Off {
		return nil, nil
	}
	p := &Policy{
		varies:  []string{"Origin"},
		maxAge:  int(cfg.MaxAge.Seconds()),
		methods: cfg.AllowMethods,
		headers: cfg.AllowHeaders,
		private: cfg.PrivateNetwork,
	}
	if cfg.Credentials {
		p.credentials = []string{"true"}
	}
	if expose := strings.Join(cfg.Expose, ", "); expose != "" {
		p.expose = []string{expose}
	}
	for _, origin := range cfg.Origins {
		pattern, err := config.CompileOrigin(origin)
		if err != nil {
			return nil, err
		}
		if pattern.Any() {
			p.any = true
			continue
		}
		p.origins = append(p.origins, pattern)
	}
	return p, nil
}

// AllowedOrigin returns the value for Access-Control-Allow-Origin. It returns "" when the
// Origin header is absent, repeated, opaque ("null") or not listed.
func (p *Policy) AllowedOrigin(header http.Header) string {
	values := header["Origin"]
	if len(values) != 1 || values[0] == "null" {
		return ""
	}
	origin := p.allowed(values[0])
	for _, other := range p.also {
		if allowed := other.allowed(values[0]); allowed == "" || origin != "" && allowed == "*" {
			origin = allowed
		}
	}
	return origin
}

// allowed returns origin, "*" or "", without asking also.
func (p *Policy) allowed(origin string) string {
	switch {
	case slices.ContainsFunc(p.origins, func(o config.OriginPattern) bool { return o.Match(origin) }):
		return origin
	case p.any:
		return "*"
	}
	return ""
}

// variesByOrigin reports whether the values of a Vary header contain Origin.
func variesByOrigin(vary []string) bool {
	for _, list := range vary {
		for name := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(name), "Origin") {
				return true
			}
		}
	}
	return false
}

// Decorate sets the CORS headers of an answer. The caller has removed those of a backend.
// allowOrigin has one value, for Access-Control-Allow-Origin; "" means that the header
// is not sent.
func (p *Policy) Decorate(header http.Header, allowOrigin []string) {
	if vary := header["Vary"]; len(vary) == 0 {
		header["Vary"] = p.varies
	} else if !variesByOrigin(vary) {
		header["Vary"] = append(vary, "Origin")
	}
	if allowOrigin[0] == "" {
		return
	}
	header["Access-Control-Allow-Origin"] = allowOrigin
	if p.credentials != nil {
		header["Access-Control-Allow-Credentials"] = p.credentials
	}
	if p.expose != nil {
		header["Access-Control-Expose-Headers"] = p.expose
	}
}
