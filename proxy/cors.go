package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/route"
)

// cors answers preflights and prepares the headers that every answer to a
// cross-origin request carries (Fetch standard, section 3.2). It is compiled
// once and immutable; nil leaves cross-origin matters to the backends.
type cors struct {
	origins     []config.OriginPattern
	any         bool     // one of the origins is "*"
	varies      []string // "Origin"; all answers share it, as they do the next two
	credentials []string // nil for none
	expose      []string // nil for none
	maxAge      string
}

// corsMethods are the methods that every preflight is told; whether a route takes
// one is the route's to say, in an answer that the page can read.
const corsMethods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

func compileCORS(cfg *config.CORS) (*cors, error) {
	if cfg == nil {
		return nil, nil
	}
	c := &cors{
		varies: []string{"Origin"},
		maxAge: strconv.Itoa(int(cfg.MaxAge.Seconds())),
	}
	if cfg.Credentials {
		c.credentials = []string{"true"}
	}
	if expose := strings.Join(cfg.Expose, ", "); expose != "" {
		c.expose = []string{expose}
	}
	for _, origin := range cfg.Origins {
		pattern, err := config.CompileOrigin(origin)
		if err != nil {
			return nil, err
		}
		if pattern.Any() {
			c.any = true
			continue
		}
		c.origins = append(c.origins, pattern)
	}
	return c, nil
}

// allowedOrigin returns what Access-Control-Allow-Origin should say, or "" for
// an origin that is absent, repeated, opaque ("null") or not listed.
func (c *cors) allowedOrigin(header http.Header) string {
	values := header["Origin"]
	if len(values) != 1 || values[0] == "null" {
		return ""
	}
	origin := values[0]
	if slices.ContainsFunc(c.origins, func(p config.OriginPattern) bool { return p.Match(origin) }) {
		return origin
	}
	if c.any {
		return "*"
	}
	return ""
}

// isPreflight tells a preflight from an ordinary OPTIONS request.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// preflight answers for the gateway: no backend, no token. It holds nothing, so
// no limit refuses it: a browser reports any refusal of a preflight as an error of
// CORS, and would not say that the client has to wait (issue 10).
func (c *cors) preflight(x *exchange, r *http.Request) *httperr.Error {
	header := x.response.Header()
	header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	if x.response.allowOrigin == "" {
		return refuseOrigin
	}
	header.Set("Access-Control-Allow-Methods", x.table.preflightMethods(r))
	if asked := r.Header["Access-Control-Request-Headers"]; len(asked) > 0 {
		header.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	}
	// A public page asks before it calls into a private network. An origin that
	// the table lists may; "anybody" was not meant for that.
	if private := r.Header["Access-Control-Request-Private-Network"]; len(private) == 1 && private[0] == "true" && x.response.allowOrigin != "*" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	header.Set("Access-Control-Max-Age", c.maxAge)
	x.response.WriteHeader(http.StatusNoContent)
	return nil
}

// preflightMethods returns the usual methods, and besides them those of the
// routes that the request after the preflight may reach. A route without methods
// takes the one that is asked for.
func (t *Table) preflightMethods(r *http.Request) string {
	path, ok := route.ParsePath(r.RequestURI)
	host, known := route.HostName(r.Host)
	if !ok || !known {
		return corsMethods
	}
	asked := r.Header["Access-Control-Request-Method"]
	var more []string
	t.matcher.VisitReachable(path, host, func(reached *route.Route) {
		more = append(more, reached.Methods...)
		if len(reached.Methods) == 0 && len(asked) == 1 && isToken(asked[0]) {
			more = append(more, asked[0])
		}
	})
	never := append(strings.Split(corsMethods, ", "), http.MethodConnect, http.MethodTrace, methodTrack)
	more = slices.DeleteFunc(more, func(method string) bool { return slices.Contains(never, method) })
	slices.Sort(more)
	return strings.Join(append([]string{corsMethods}, slices.Compact(more)...), ", ")
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

// decorate sets what every answer carries. What a backend said is gone by then.
// AllowOrigin holds what Access-Control-Allow-Origin should say, "" for nothing.
func (c *cors) decorate(header http.Header, allowOrigin []string) {
	if vary := header["Vary"]; len(vary) == 0 {
		header["Vary"] = c.varies
	} else if !variesByOrigin(vary) {
		header["Vary"] = append(vary, "Origin")
	}
	if allowOrigin[0] == "" {
		return
	}
	header["Access-Control-Allow-Origin"] = allowOrigin
	if c.credentials != nil {
		header["Access-Control-Allow-Credentials"] = c.credentials
	}
	if c.expose != nil {
		header["Access-Control-Expose-Headers"] = c.expose
	}
}
