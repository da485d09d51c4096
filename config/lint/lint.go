// Package lint warns of what a route table may say, and its operator would rather
// know. Warnings do not stop a table from being served, so each has to be right, and
// worth a minute.
//
//	lint.go      the order; origins, audiences, bounds
//	shadowed.go  routes whose requests others take
//	weaker.go    routes that open what others protect
//	segments.go  prefixes that a careless backend reads as another route's
package lint

import (
	"strings"

	"gatehouse/config"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

var _ config.Check = Check

// linter looks at one table.
type linter struct {
	table *config.Config
	file  *yamldoc.Field
}

// Check warns of what is not wrong with a table but worth a look. It is a config.Check:
// it looks at tables without errors only, as half a table would give rise to odd advice.
func Check(table *config.Config, file *yamldoc.Field) {
	l := &linter{table: table, file: file}
	l.warnOrigins()
	l.warnAudience()
	for i, field := range l.file.Get("routes").Entries() {
		l.warnUnbounded(field, &l.table.Routes[i])
	}
	l.warnShadowed()
	l.warnWeaker()
}

// warnOrigins looks for pages that anybody between them and the browser can
// change, and that may act for a signed-in user.
func (l *linter) warnOrigins() {
	if l.table.CORS == nil || !l.table.CORS.Credentials {
		return
	}
	for i, entry := range l.file.Get("cors").Get("origins").Entries() {
		host, plain := strings.CutPrefix(l.table.CORS.Origins[i], "http://")
		if !plain || isLocalOrigin(host) {
			continue
		}
		entry.Warn("cors: origins "+entry.Quoted()+": anybody on the way to this page can change it, and act for a signed-in user",
			"use https; only localhost is safe without")
	}
}

// isLocalOrigin reports whether a host, maybe with a port or a pattern in it, is
// the browser's own machine.
func isLocalOrigin(host string) bool {
	if strings.HasPrefix(host, "[::1]") {
		return true
	}
	name, _, _ := strings.Cut(host, ":")
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || strings.HasPrefix(name, "127.") && value.IsAddress(name)
}

// warnAudience looks for issuers whose tokens for any other service pass here.
func (l *linter) warnAudience() {
	for i, field := range l.file.Get("tokens").Entries() {
		if len(l.table.Tokens[i].Audience) == 0 {
			field.Warn(field.Name()+" has no audience: its tokens for any other service are accepted too",
				"name what must be in `aud`, such as audience: my-api")
		}
	}
}

// warnUnbounded looks for routes on which a silent backend is waited for without
// end.
func (l *linter) warnUnbounded(field *yamldoc.Field, route *config.Route) {
	if route.Backend != nil && route.Timeout == 0 && route.IdleTimeout == 0 {
		field.WarnAt("timeout", field.Name()+": timeout and idle_timeout are both 0: a backend that falls silent is waited for without end",
			"give one of them a bound")
	}
}
