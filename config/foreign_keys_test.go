package config

import (
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

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

// TestForeignKeys compares the hints for each word with the expected ones, at each place
// where a hint differs from those before. Each hint names a key that exists.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	places := map[string][]string{
		inRoute: keysOf(reflect.TypeFor[Route]()), inTLS: keysOf(reflect.TypeFor[TLS]()), inCORS: keysOf(reflect.TypeFor[CORS]()),
		inLimits: keysOf(reflect.TypeFor[Limits]()), atTop: keysOf(reflect.TypeFor[Config]()),
		inRedirect: keysOf(reflect.TypeFor[Redirect]()), inRespond: keysOf(reflect.TypeFor[Respond]()), inRewrite: keysOf(reflect.TypeFor[Rewrite]()),
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
			hints[word] = word + "\n"
			said := map[string]bool{}
			for _, place := range []string{inRoute, atTop, inTLS, inCORS, inLimits, inRedirect, inRespond, inRewrite} {
				if hint := keyHint(word, places[place]); !said[hint] {
					said[hint] = true
					hints[word] += "  " + place + ": " + hint + "\n"
				}
			}
		}
	}
	var text strings.Builder
	for _, word := range slices.Sorted(maps.Keys(hints)) {
		text.WriteString(hints[word])
	}
	configtest.Golden(t, filepath.Join("testdata", "foreign_keys.txt"), text.String())
}

// TestForeignExamples loads a table with each example at its place.
func TestForeignExamples(t *testing.T) {
	t.Parallel()
	const target = "backend: 'https://b'"
	for _, entry := range foreignKeys {
		if entry.ours == "" {
			continue
		}
		top, route := "", "name: a, prefix: /a, "+target
		switch entry.place {
		case atTop:
			top = entry.example + "\n"
		case inCORS:
			top = "cors: {origins: ['https://a.example.com'], " + entry.example + "}\n"
			if entry.ours == "origins" {
				top = "cors: {" + entry.example + "}\n"
			}
		case inLimits:
			top = "limits: {" + entry.example + "}\n"
		case inRedirect:
			route = "name: a, prefix: /a, redirect: {" + entry.example + map[string]string{"status": ", to: /new"}[entry.ours] + "}"
		case inRespond:
			route = "name: a, prefix: /a, respond: {" + entry.example + "}"
		case inRewrite:
			route += ", rewrite: {" + entry.example + map[string]string{"from": ", to: '/v2$1'", "to": ", from: '^(/.*)$'"}[entry.ours] + "}"
		case inTLS:
			route += ", tls: {" + entry.example + map[string]string{"cert": ", key: key.pem", "key": ", cert: cert.pem"}[entry.ours] + "}"
		default:
			switch entry.ours {
			case "prefix":
				route = "name: a, " + target
			case "backend":
				route = "name: a, prefix: /a"
			case "redirect", "respond":
				route = "name: a, prefix: /a"
			case "protocol":
				route = "name: a, prefix: /a, backend: 'http://b'"
			}
			route += ", " + entry.example
		}
		text := top + "routes:\n  - {" + route + "}\n"
		folder := unpack(t, &txtar.Archive{Files: []txtar.File{
			{Name: "routes.yaml", Data: []byte(text)},
			{Name: "routes.d/more.yaml", Data: []byte("routes: [{name: more, prefix: /more, backend: 'http://more'}]\n")},
		}})
		if _, err := Load(filepath.Join(folder, "routes.yaml"), configtest.Environment()); err != nil {
			t.Errorf("%s%v", text, err)
		}
	}
}

// TestForeignKeysOfATable writes some of them as people do. A typo of a key of ours
// stays one.
func TestForeignKeysOfATable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"routes:\n  - {name: a, prefix: /a, proxy_pass: 'http://b'}\n":                            "write backend: http://127.0.0.1:8080",
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', clientMaxBodySize: 1m}\n":        "write max_body: 10MiB",
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', stripp_prefix: true}\n":          `did you mean "strip_prefix"?`,
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', add_header: x}\n":                "write response_headers:",
		"entryPoints: {web: 80}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":       "GATEWAY_LISTEN",
		"cors: {allow_origins: ['*']}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n": "write origins:",
		"cors: {origin: ['*']}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":        `did you mean "origins"?`,
		"upstream: x\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":                  "write, in a route, backend:",
		"limits: {rate_limit: 1}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":      "write requests_per_client: 100",
		"routes:\n  - {name: a, prefix: /a, backend: 'https://b', tls: {servername: x}}\n":        `did you mean "server_name"?`,
		"routes:\n  - {name: a, prefix: /a, redirect: {url: /b}}\n":                               "write to: /new",
		"routes:\n  - {name: a, prefix: /a, redirect: {to: /b, code: 301}}\n":                     "write status: 301",
		"allow_origins: ['*']\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":         "write cors:",
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', health_check: {path: /}}\n":      "backends are not probed",
	} {
		_, err := Parse("routes.yaml", []byte(text), configtest.Environment())
		problems, ok := errors.AsType[problem.List](err)
		if !ok || len(problems) == 0 {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !slices.ContainsFunc(problems, func(p problem.Problem) bool { return strings.HasPrefix(p.Hint, want) || strings.Contains(p.Hint, want) }) {
			t.Errorf("%s: %v, want the hint %q", text, problems, want)
		}
	}
}
