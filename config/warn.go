// Warnings: what a table may say, and its operator would rather know. They do
// not stop it from being served, so each has to be right, and worth a minute.

package config

import (
	"strings"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// warn reports what is not wrong but worth a look. It looks at tables without
// errors only: half a table would give rise to odd advice.
func warn(v *validator) {
	file := section{v.report, v.root, ""}
	v.warnOrigins(file.child("cors"))
	v.warnAudience()
	nodes := entries(child(v.root, "routes"))
	for i, n := range nodes {
		v.warnUnbounded(file.entry("routes", i, n), &v.config.Routes[i])
	}
	v.warnShadowed(nodes)
	v.warnWeaker(nodes)
}

// warnAt records a warning at a node.
func (r *report) warnAt(n *yaml.Node, message, hint string) {
	r.add(problem.SeverityWarning, n.Line, n.Column, message, hint)
}

// at returns the key of a section, or the section itself where the key is not
// there: its value comes from `defaults:`.
func (s section) at(key string) *yaml.Node {
	if n := keyOf(s.node, key); n != nil {
		return n
	}
	return s.node
}

// warnOrigins looks for pages that anybody between them and the browser can
// change, and that may act for a signed-in user.
func (v *validator) warnOrigins(cors section) {
	if v.config.CORS == nil || !v.config.CORS.Credentials {
		return
	}
	for i, n := range entries(child(cors.node, "origins")) {
		host, plain := strings.CutPrefix(v.config.CORS.Origins[i], "http://")
		if !plain || isLocalOrigin(host) {
			continue
		}
		shown, _ := v.shown(n)
		v.warnAt(n, "cors: origins "+shown+": anybody on the way to this page can change it, and act for a signed-in user",
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
	for i, n := range entries(child(v.root, "tokens")) {
		if len(v.config.Tokens[i].Audience) == 0 {
			v.warnAt(n, label("tokens", i, n)+" has no audience: its tokens for any other service are accepted too",
				"name what must be in `aud`, such as audience: my-api")
		}
	}
}

// warnUnbounded looks for routes on which a silent backend is waited for without
// end.
func (v *validator) warnUnbounded(s section, route *Route) {
	if route.Backend != nil && route.Timeout == 0 && route.IdleTimeout == 0 {
		v.warnAt(s.at("timeout"), s.within+"timeout and idle_timeout are both 0: a backend that falls silent is waited for without end",
			"give one of them a bound")
	}
}
