// Package cors answers preflights, and says what every answer to a cross-origin request
// carries (Fetch standard, section 3.2).
package cors

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config"
	"gatehouse/internal/httperr"
)

// Policy is what a route table says about other origins. It never changes. A gateway
// without one leaves cross-origin matters to the backends.
type Policy struct {
	origins     []config.OriginPattern
	any         bool     // one of the origins is "*"
	varies      []string // "Origin"; all answers share it, as they do the next two
	credentials []string // nil for none
	expose      []string // nil for none
	maxAge      string
}

// Methods are the methods that the answer to every preflight allows. Whether a route
// takes one is the route's to say, in an answer that the page can read.
const Methods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

// never are methods that no answer to a preflight adds: the usual ones are there, and no
// route takes the others.
var never = append(strings.Split(Methods, ", "), http.MethodConnect, http.MethodTrace, "TRACK")

// ErrOrigin is the answer to a preflight from an origin that is not listed.
var ErrOrigin = &httperr.Error{Status: http.StatusForbidden, Detail: "Disallowed CORS origin"}

// New makes the Policy of `cors`, or returns nil without one.
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

// AllowedOrigin returns what Access-Control-Allow-Origin should say, or "" for
// an origin that is absent, repeated, opaque ("null") or not listed.
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

// IsPreflight reports whether a request is a preflight, and no ordinary OPTIONS.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// Preflight answers a preflight for the gateway: no backend, no token. It holds nothing,
// so no limit refuses it: a browser reports any refusal of a preflight as an error of
// CORS, and would not say that the client has to wait (issue 10).
//
// AllowOrigin is what AllowedOrigin returned; for "" Preflight returns the refusal. More
// are methods to allow besides Methods.
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
	// A public page asks before it calls into a private network. An origin that
	// the table lists may; "anybody" was not meant for that.
	if private := r.Header["Access-Control-Request-Private-Network"]; len(private) == 1 && private[0] == "true" && allowOrigin != "*" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	header.Set("Access-Control-Max-Age", p.maxAge)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// allowedMethods returns Methods and the others.
func allowedMethods(more []string) string {
	more = slices.DeleteFunc(more, func(method string) bool { return slices.Contains(never, method) })
	slices.Sort(more)
	return strings.Join(append([]string{Methods}, slices.Compact(more)...), ", ")
}

// variesByOrigin reports whether Origin is in a list of header names.
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

// Decorate sets what every answer carries. What a backend said is gone by then.
// AllowOrigin holds what Access-Control-Allow-Origin should say, "" for nothing.
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
