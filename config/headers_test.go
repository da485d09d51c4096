package config

import (
	"maps"
	"testing"
)

// match_headers and headers are one key: each replaces the default of the other.
func TestMatchHeaders(t *testing.T) {
	for _, test := range []struct {
		name, defaults, route string
		want                  map[string]string
	}{
		{"the new name", "", "match_headers: {X-A: b}", map[string]string{"X-A": "b"}},
		{"the old name", "", "headers: {X-A: b}", map[string]string{"X-A": "b"}},
		{"inherited", "match_headers: {X-A: b}", "", map[string]string{"X-A": "b"}},
		{"old replaces new", "match_headers: {X-A: b}", "headers: {X-C: d}", map[string]string{"X-C": "d"}},
		{"new replaces old", "headers: {X-A: b}", "match_headers: {X-C: d}", map[string]string{"X-C": "d"}},
		{"new undoes old", "headers: {X-A: b}", "match_headers: {}", nil},
		{"old undoes new", "match_headers: {X-A: b}", "headers: {}", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			table, err := Parse("routes.yaml", []byte("defaults: {"+test.defaults+"}\nroutes: [{name: a, prefix: /, backend: 'http://b', "+test.route+"}]"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := table.Routes[0]; !maps.Equal(a.Headers, test.want) || a.MatchHeaders != nil {
				t.Errorf("got %v and %v, want %v and nothing", a.Headers, a.MatchHeaders, test.want)
			}
		})
	}
}
