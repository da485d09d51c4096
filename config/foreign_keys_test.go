package config

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatehouse/config/configtest"
	"gatehouse/config/problem"
)

// keysOf returns the keys of a type of the table.
func keysOf(t reflect.Type) (keys []string) {
	for field := range t.Fields() {
		if key := field.Tag.Get("yaml"); key != "" && key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// TestForeignKeys shows what is said of each word at the place of a route, and of the
// table. Each hint names a key that is there.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	places := map[string][]string{
		inRoute: keysOf(reflect.TypeFor[Route]()), inCORS: keysOf(reflect.TypeFor[CORS]()), atTop: keysOf(reflect.TypeFor[Config]()),
	}
	hints := map[string]string{}
	for _, entry := range foreignKeys {
		if entry.ours != "" && !slices.Contains(places[entry.place], entry.ours) {
			t.Errorf("%q is no key %s", entry.ours, entry.place)
		}
		if entry.ours != "" && !strings.HasPrefix(entry.example, entry.ours+": ") {
			t.Errorf("the example %q does not begin with %q", entry.example, entry.ours)
		}
		for word := range strings.FieldsSeq(entry.words) {
			for _, keys := range places {
				if slices.Contains(keys, word) {
					t.Errorf("%q is a key of ours", word)
				}
			}
			hints[word] = word + "\n  in a route: " + keyHint(word, places[inRoute]) + "\n  at the top: " + keyHint(word, places[atTop]) + "\n"
		}
	}
	var text strings.Builder
	for _, word := range slices.Sorted(maps.Keys(hints)) {
		text.WriteString(hints[word])
	}
	configtest.Golden(t, filepath.Join("testdata", "foreign_keys.txt"), text.String())
}

// TestForeignKeysOfATable writes some of them as people do. A typo of a key of ours
// stays one.
func TestForeignKeysOfATable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"routes:\n  - {name: a, prefix: /a, proxy_pass: 'http://b'}\n":                            "write backend: http://127.0.0.1:8080",
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', clientMaxBodySize: 1m}\n":        "write max_body: 10MiB",
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', stripp_prefix: true}\n":          `did you mean "strip_prefix"?`,
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', add_header: x}\n":                "write, at the top of the table, response_headers:",
		"entryPoints: {web: 80}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":       "GATEWAY_LISTEN",
		"cors: {allow_origins: ['*']}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n": "write origins:",
		"cors: {origin: ['*']}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":        `did you mean "origins"?`,
		"routes:\n  - {name: a, prefix: /a, backend: 'https://b', tls: {servername: x}}\n":        `did you mean "server_name"?`,
		"allow_origins: ['*']\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":         "write cors:",
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', health_check: {path: /}}\n":      "backends are not probed",
	} {
		_, err := Parse("routes.yaml", []byte(text), configtest.Environment())
		problems, ok := err.(problem.List) //nolint:errorlint // Parse returns it as it is
		if !ok || len(problems) == 0 {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !slices.ContainsFunc(problems, func(p problem.Problem) bool { return strings.HasPrefix(p.Hint, want) || strings.Contains(p.Hint, want) }) {
			t.Errorf("%s: %v, want the hint %q", text, problems, want)
		}
	}
}
