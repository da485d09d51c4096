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
		inBackend: keysOf(reflect.TypeFor[Backend]()), inServer: keysOf(reflect.TypeFor[Server]()), inHealth: keysOf(reflect.TypeFor[Health]()),
		inPassive: keysOf(reflect.TypeFor[Passive]()), inRetry: keysOf(reflect.TypeFor[Retry]()),
		inRedirect: keysOf(reflect.TypeFor[Redirect]()), inRespond: keysOf(reflect.TypeFor[Respond]()), inRewrite: keysOf(reflect.TypeFor[Rewrite]()),
	}
	global := []string{inRoute, atTop, inTLS, inCORS, inLimits}
	hints := map[string]string{}
	for _, entry := range foreignKeys {
		if entry.ours != "" && !slices.Contains(places[entry.place], entry.ours) {
			t.Errorf("%q is no key %s", entry.ours, entry.place)
		}
		if entry.ours != "" && !strings.HasPrefix(entry.example, entry.ours+": ") {
			t.Errorf("the example %q does not begin with %q", entry.example, entry.ours)
		}
		for word := range strings.FieldsSeq(entry.words) {
			// A word that means something at one place only may be a key elsewhere, and
			// people write keys of a backend elsewhere, too.
			for place, keys := range places {
				if slices.Contains(keys, word) && (place == entry.place || !entry.isLocal() && slices.Contains(global, place)) {
					t.Errorf("%q is a key of ours", word)
				}
			}
			hints[word] = word + "\n"
			said := map[string]bool{}
			for _, place := range append(global, inRedirect, inRespond, inRewrite, inBackend, inServer, inHealth, inPassive, inRetry) {
				if slices.Contains(places[place], word) {
					continue
				}
				if hint := keyHint(word, places[place]); hint != "" && !said[hint] {
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
		case inBackend, inServer, inHealth, inPassive, inRetry:
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
		if slices.Contains([]string{inBackend, inServer, inHealth, inPassive, inRetry}, entry.place) || strings.Contains(entry.example, "orders-v2") {
			top = backendWith(entry)
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

// backendWith returns a backend with an example, beside the keys that a valid one has.
func backendWith(entry foreignKey) string {
	keys := "servers: ['https://c']"
	switch entry.place {
	case inBackend:
		switch entry.ours {
		case "servers":
			keys = entry.example
		case "discover":
			keys = entry.example
		case "hash":
			keys += ", balance: hash, " + entry.example
		default:
			keys += ", " + entry.example
		}
	case inServer:
		keys = "servers: [{" + entry.example + "}]"
	case inHealth:
		keys += ", health: {path: /, " + entry.example + "}"
		if entry.ours == "path" {
			keys = "servers: ['https://c'], health: {" + entry.example + "}"
		}
	case inPassive:
		keys += ", passive: {" + entry.example + "}"
	case inRetry:
		keys += ", retry: {" + entry.example + "}"
	}
	return "backends: {orders: {" + keys + "}, orders-v2: {servers: ['https://d']}}\n"
}

// TestForeignKeysOfATable writes some of them as people do. A typo of a key of ours
// stays one.
func TestForeignKeysOfATable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"routes:\n  - {name: a, prefix: /a, proxy_pass: 'http://b'}\n":                                                         "write backend: http://127.0.0.1:8080",
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', clientMaxBodySize: 1m}\n":                                     "write max_body: 10MiB",
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', stripp_prefix: true}\n":                                       `did you mean "strip_prefix"?`,
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', add_header: x}\n":                                             "write response_headers:",
		"entryPoints: {web: 80}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":                                    "GATEWAY_LISTEN",
		"cors: {allow_origins: ['*']}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":                              "write origins:",
		"cors: {origin: ['*']}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":                                     `did you mean "origins"?`,
		"upstream: x\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":                                               "write, in a route, backend:",
		"limits: {rate_limit: 1}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":                                   "write requests_per_client: 100",
		"routes:\n  - {name: a, prefix: /a, backend: 'https://b', tls: {servername: x}}\n":                                     `did you mean "server_name"?`,
		"allow_origins: ['*']\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":                                      "write cors:",
		"routes:\n  - {name: a, prefix: /a, backend: 'http://b', health_check: {path: /}}\n":                                   "write, at the top of the table, backends:",
		"upstreams: {a: {servers: ['http://b']}}\nroutes:\n  - {name: a, prefix: /a, backend: 'http://b'}\n":                   "write backends:",
		"backends: {a: {servers: ['http://b'], lb_policy: least_conn}}\nroutes:\n  - {name: a, prefix: /a, backend: a}\n":      "write balance: p2c",
		"backends: {a: {servers: ['http://b'], healthCheck: {path: /}}}\nroutes:\n  - {name: a, prefix: /a, backend: a}\n":     "write health:",
		"backends: {a: {servers: ['http://b'], max_fails: 3}}\nroutes:\n  - {name: a, prefix: /a, backend: a}\n":               "write passive:",
		"backends: {a: {servers: ['http://b'], health: {path: /, rise: 3}}}\nroutes:\n  - {name: a, prefix: /a, backend: a}\n": "write passes: 2",
		"backends: {a: {servers: ['http://b'], retry: {tries: 3}}}\nroutes:\n  - {name: a, prefix: /a, backend: a}\n":          "write attempts: 2",
		"backends: {a: {servers: ['http://b'], retries: 3}}\nroutes:\n  - {name: a, prefix: /a, backend: a}\n":                 "write retry:",
		"backends: {a: {servers: ['http://b'], pasive: {fails: 3}}}\nroutes:\n  - {name: a, prefix: /a, backend: a}\n":         `did you mean "passive"?`,
		"routes:\n  - {name: a, prefix: /a, redirect: {url: /b}}\n":                                                            "write to: /new",
		"routes:\n  - {name: a, prefix: /a, redirect: {to: /b, code: 301}}\n":                                                  "write status: 301",
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
