// Package cors answers preflights, and sets the CORS headers of all other answers (Fetch
// standard, section 3.2).
package cors

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config"
	"gatehouse/internal/httperr"
)

// Policy is the `cors` part of a route table. It never changes. Without a Policy, the
// backends handle CORS.
type Policy struct {
	origins     []config.OriginPattern
	any         bool     // one of the origins is "*"
	varies      []string // value of Vary: "Origin"; all answers share it and the next two
	credentials []string // value of Access-Control-Allow-Credentials, or nil
	expose      []string // value of Access-Control-Expose-Headers, or nil
	maxAge      string   // in seconds
}

// Methods are the methods that the answer to every preflight allows. A route may still
// refuse one of them, with an answer that the page can read.
const Methods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

// never are methods that Preflight does not add to Methods: those of Methods, and those
// that no route accepts.
var never = append(strings.Split(Methods, ", "), http.MethodConnect, http.MethodTrace, "TRACK")

// ErrOrigin is the answer to a preflight from an origin that is not listed.
var ErrOrigin = &httperr.Error{Status: http.StatusForbidden, Detail: "Disallowed CORS origin"}

// New returns the Policy of cfg. It returns nil if cfg is nil, and an error if an origin is
// invalid.
func New(cfg *config.CORS) (*Policy, error) {
	if cfg == nil {
		return nil, nil
	}
	p := &Policy{
		varies: []string{"Origin"},
		maxAge: strconv.Itoa(int(cfg.MaxAge.Seconds())),
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
	origin := values[0]
	if slices.ContainsFunc(p.origins, func(o config.OriginPattern) bool { return o.Match(origin) }) {
		return origin
	}
	if p.any {
		return "*"
	}
	return ""
}

// IsPreflight reports whether a request is a preflight. Other OPTIONS requests are not.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// Preflight answers a preflight, without a backend or a token. No limit on requests
// applies: a browser reports every refused preflight as a CORS error, and would not say
// that the client must wait (issue 10).
//
// allowOrigin is the result of AllowedOrigin. If it is "", Preflight returns a refusal.
// more are methods to allow besides Methods.
func (p *Policy) Preflight(w http.ResponseWriter, r *http.Request, allowOrigin string, more []string) *httperr.Error {
	header := w.Header()
	header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	if allowOrigin == "" {
		return ErrOrigin
	}
	header.Set("Access-Control-Allow-Methods", allowedMethods(more))
	if asked := r.Header["Access-Control-Request-Headers"]; len(asked) > 0 {
		header.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	}
	// A public page asks before it sends a request into a private network. A listed
	// origin is allowed to; "*" does not include that.
	if private := r.Header["Access-Control-Request-Private-Network"]; len(private) == 1 && private[0] == "true" && allowOrigin != "*" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	header.Set("Access-Control-Max-Age", p.maxAge)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// allowedMethods returns Methods and more as a list.
func allowedMethods(more []string) string {
	more = slices.DeleteFunc(more, func(method string) bool { return slices.Contains(never, method) })
	slices.Sort(more)
	return strings.Join(append([]string{Methods}, slices.Compact(more)...), ", ")
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
