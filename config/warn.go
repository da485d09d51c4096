// Warnings: what a table may say, and its operator would rather know. They do
// not stop it from being served, so each has to be right, and worth a minute.

package config

import (
	"strings"

	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// warn reports what is not wrong but worth a look. It looks at tables without
// errors only: half a table would give rise to odd advice.
func warn(c *Config, file *yamldoc.Field) {
	v := &validator{config: c, file: file}
	v.warnOrigins()
	v.warnAudience()
	for i, s := range v.file.Get("routes").Entries() {
		v.warnUnbounded(s, &v.config.Routes[i])
	}
	v.warnShadowed()
	v.warnWeaker()
}

// warnOrigins looks for pages that anybody between them and the browser can
// change, and that may act for a signed-in user.
func (v *validator) warnOrigins() {
	if v.config.CORS == nil || !v.config.CORS.Credentials {
		return
	}
	for i, entry := range v.file.Get("cors").Get("origins").Entries() {
		host, plain := strings.CutPrefix(v.config.CORS.Origins[i], "http://")
		if !plain || isLocalOrigin(host) {
			continue
		}
		entry.Warn("cors: origins "+entry.Quoted()+": anybody on the way to this page can change it, and act for a signed-in user",
			"use https; only localhost is safe without")
	}
}

// isLocalOrigin says whether a host, maybe with a port or a pattern in it, is
// the browser's own machine.
func isLocalOrigin(host string) bool {
	if strings.HasPrefix(host, "[::1]") {
		return true
	}
	name, _, _ := strings.Cut(host, ":")
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || strings.HasPrefix(name, "127.") && value.IsAddress(name)
}

// warnAudience looks for issuers whose tokens for any other service pass here.
func (v *validator) warnAudience() {
	for i, s := range v.file.Get("tokens").Entries() {
		if len(v.config.Tokens[i].Audience) == 0 {
			s.Warn(s.Name()+" has no audience: its tokens for any other service are accepted too",
				"name what must be in `aud`, such as audience: my-api")
		}
	}
}

// warnUnbounded looks for routes on which a silent backend is waited for without
// end.
func (v *validator) warnUnbounded(s *yamldoc.Field, route *Route) {
	if route.Backend != nil && route.Timeout == 0 && route.IdleTimeout == 0 {
		s.WarnAt("timeout", s.Name()+": timeout and idle_timeout are both 0: a backend that falls silent is waited for without end",
			"give one of them a bound")
	}
}
