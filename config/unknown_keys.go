// This file has hints for keys that a table does not have.

package config

import (
	"reflect"
	"slices"
	"strings"

	"gatehouse/config/problem"
)

// keyHint returns the hint for an unknown key: the key that was probably meant,
// or the place where it belongs.
func keyHint(key string, known []string) string {
	foreign, isHere := foreignHint(key, known)
	// In a route and in the table people write keys of other gateways more often than
	// typos that are as near to a key of ours.
	foreignFirst := isHere || slices.Contains(known, "prefix") || slices.Contains(known, "routes")
	if foreign != "" && foreignFirst {
		return foreign
	}
	if place := placeOf(key); place != "" && foreignFirst {
		return "write it " + place
	}
	if near := problem.DidYouMean(key, known); near != "" {
		return near
	}
	if foreign != "" {
		return foreign
	}
	if place := placeOf(key); place != "" {
		return "write it " + place
	}
	if slices.Contains(known, "set") && isToken(key) { // the global response_headers take names here
		return "write set: {" + key + ": …}, or the same with add"
	}
	switch strings.ReplaceAll(strings.ToLower(key), "-", "_") {
	case "listen", "port", "address", "ops_listen", "listeners":
		return "a table cannot set the listeners: set GATEWAY_LISTEN and GATEWAY_OPS_LISTEN, and restart"
	case "database", "database_url", "secret", "jwt_secret", "log_level":
		return "this is a setting of the process: see GATEWAY_* in docs/settings.md"
	}
	return ""
}

// placeOf returns where a key of ours belongs that stands elsewhere, or "".
func placeOf(key string) string {
	for _, part := range []struct {
		of    reflect.Type
		place string
	}{
		{reflect.TypeFor[Route](), inRoute},
		{reflect.TypeFor[Config](), atTop},
		{reflect.TypeFor[CORS](), inCORS},
		{reflect.TypeFor[Limits](), inLimits},
		{reflect.TypeFor[TLS](), inTLS},
	} {
		for field := range part.of.Fields() {
			switch {
			case field.Tag.Get("yaml") != key || key == "-":
			case part.place == inRoute && !slices.Contains(RouteOnlyKeys(), key):
				return part.place + ", or in `defaults` for all routes"
			default:
				return part.place
			}
		}
	}
	return ""
}
