// Package lint warns about parts of a valid route table that may be mistakes.
// Warnings do not stop a table from being served, so each must be correct and
// useful.
//
//	lint.go      the order of the checks; origins, audiences, bounds
//	headers.go   headers that a route matches, and that were probably meant to be set
//	shadowed.go  routes whose requests other routes match first
//	weaker.go    routes that open what other routes protect
//	addresses.go addresses of clients: unused sets, and holes below allow_from
//	rewritten.go rewrites that lead to what other routes protect
//	places.go    which routes lead to the same servers
//	backends.go  named backends: unused ones, and retries that may do harm
//	segments.go  prefixes that a careless backend reads as another route's
package lint

import (
	"strings"

	"gatehouse/config"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

var _ config.Check = Check

// linter checks one table.
type linter struct {
	table *config.Config
	file  *yamldoc.Field
	named map[string][]place // see placesOf
}

// Check adds warnings about a table. It is a config.Check: it runs only on
// tables without errors, because warnings about half a table would be wrong.
func Check(table *config.Config, file *yamldoc.Field) {
	l := &linter{table: table, file: file, named: placesOf(table)}
	l.warnOrigins(l.file, l.table.CORS)
	l.warnAudience()
	for _, field := range []*yamldoc.Field{l.file, l.file.Get("defaults")} {
		warnDoubledBraces(field)
	}
	warnMatchedHeaders(l.file.Get("defaults"))
	for i, field := range l.file.Get("routes").Entries() {
		l.warnOrigins(field, l.table.Routes[i].CORS)
		l.warnUnbounded(field, &l.table.Routes[i])
		warnMatchedHeaders(field)
		warnDoubledBraces(field)
	}
	l.warnShadowed()
	l.warnWeaker()
	l.warnFewerRules()
	l.warnAddresses()
	l.warnRewritten()
	l.warnBackends()
}

// warnOrigins warns about origins over plain HTTP that may act for a signed-in
// user. Anybody between such a page and the browser can change it.
// of is where the key is.
func (l *linter) warnOrigins(of *yamldoc.Field, policy *config.CORS) {
	if policy == nil || !policy.Credentials {
		return
	}
	for i, entry := range of.Get("cors").Get("origins").Entries() {
		host, plain := strings.CutPrefix(policy.Origins[i], "http://")
		if !plain || isLocalOrigin(host) {
			continue
		}
		entry.Warn("cors: origins "+entry.Quoted()+": anybody between this page and the browser can change it, and act for a signed-in user",
			"use https; only localhost is safe without it")
	}
}

// isLocalOrigin reports whether a host, which may have a port or a pattern, is
// the browser's own machine.
func isLocalOrigin(host string) bool {
	if strings.HasPrefix(host, "[::1]") {
		return true
	}
	name, _, _ := strings.Cut(host, ":")
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || strings.HasPrefix(name, "127.") && value.IsAddress(name)
}

// warnAudience warns about issuers whose tokens for any other service are
// accepted.
func (l *linter) warnAudience() {
	for i, field := range l.file.Get("tokens").Entries() {
		if len(l.table.Tokens[i].Audience) == 0 {
			field.Warn(field.Name()+" has no audience: its tokens for other services are accepted, too",
				"set what `aud` must contain, such as audience: my-api")
		}
	}
}

// warnUnbounded warns about routes on which the gateway waits for a silent
// backend without a bound.
func (l *linter) warnUnbounded(field *yamldoc.Field, route *config.Route) {
	if route.Backend != nil && route.Timeout == 0 && route.IdleTimeout == 0 {
		field.WarnAt("timeout", field.Name()+": timeout and idle_timeout are both 0: the gateway waits for a silent backend without a bound",
			"set one of them")
	}
}
