// This file has hints for keys that a table does not have.

package config

import (
	"slices"
	"strings"

	"gatehouse/config/problem"
)

// keyHint returns the hint for an unknown key: the key that was probably meant,
// or the place where it belongs.
func keyHint(key string, known []string) string {
	folded := strings.ReplaceAll(strings.ToLower(key), "-", "_")
	other := map[string]string{
		"path": "prefix", "url": "backend", "target": "backend", "upstream": "backend", "service": "backend",
		"policy": "auth", "host": "hosts", "method": "methods", "header": "headers", "role": "roles",
	}[folded]
	if slices.Contains(known, other) {
		return "did you mean " + problem.Quote(other) + "?"
	}
	foreign := foreignHint(key, known)
	if foreign == "" || !slices.Contains(known, "prefix") && !slices.Contains(known, "routes") {
		// Elsewhere than in a route or the table, a near key is meant more often.
		if hint := problem.DidYouMean(key, known); hint != "" {
			return hint
		}
	}
	if foreign != "" {
		return foreign
	}
	switch folded {
	case "listen", "port", "address", "ops_listen", "listeners":
		return "a table cannot set the listeners: set GATEWAY_LISTEN and GATEWAY_OPS_LISTEN, and restart"
	case "database", "database_url", "secret", "jwt_secret", "log_level":
		return "this is a setting of the process: see GATEWAY_* in docs/settings.md"
	}
	return ""
}
