package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatehouse/config/configtest"
	"gatehouse/config/yamldoc"
)

// emptyValues are all ways to write nothing: YAML's null, empty text, an empty
// variable, and lists or mappings without entries or with empty ones.
func emptyValues() []string {
	return []string{
		"", "~", "null", `""`, "''", "${EMPTY}", `"${EMPTY}"`, `"${NOWHERE:-}"`, "[]", "{}",
		"[~]", `[""]`, `["${EMPTY}"]`, `["${NOWHERE:-}"]`, "[{}]", "{~: ~}", "{X-A: }", `{X-A: ""}`, `{X-A: "${EMPTY}"}`, `{"": ""}`, `{"": x}`,
	}
}

// emptyIsFine are the keys that may be present and empty, because this lets no
// more through than another value.
func emptyIsFine() map[string]string {
	return map[string]string{
		"identity {}":           "the defaults hold",
		"identity.headers {}":   "backends are told nothing, and clients may not say it either",
		"users {}":              "the defaults hold",
		"users.companies []":    "no company may be joined",
		"tokens []":             "nobody else's tokens are accepted",
		"cors.expose []":        "pages may read no header",
		"routes.cors.expose []": "pages may read no header",
		"addresses {}":          "no set is defined",
		"backends {}":           "no backend is defined",
		"trusted_proxies []":    "nobody is believed",
		"proxy_protocol []":     "nobody is believed",
		"limits {}":             "the defaults hold",
		"defaults {}":           "the defaults hold",
		"tests []":              "they let nothing through",

		`backends.a.health (grpc).grpc ""`:             "it asks about the whole server",
		`backends.a.health (grpc).grpc ''`:             "it asks about the whole server",
		`backends.a.health (grpc).grpc "${EMPTY}"`:     "it asks about the whole server",
		`backends.a.health (grpc).grpc "${NOWHERE:-}"`: "it asks about the whole server",
		`tests.as.claims {X-A: ""}`:                    "a token may have such a claim",
		`tests.as.claims {X-A: "${EMPTY}"}`:            "a token may have such a claim",
		`tests.expect.header {X-A: ""}`:                "the header must be absent",
		`tests.expect.header {X-A: "${EMPTY}"}`:        "the header must be absent",
		"routes.upgrade []":                            "clients may switch to nothing",
		"defaults.upgrade []":                          "clients may switch to nothing",
	}
}

// frames has a small valid table for each mapping of the file, without the keys
// of that mapping.
func frames() map[string]struct {
	t     reflect.Type
	keys  map[string]string
	table string
} {
	const route = "routes: [{name: a, prefix: /, backend: 'https://b'}]\n"
	return map[string]struct {
		t     reflect.Type
		keys  map[string]string
		table string
	}{
		"":         {reflect.TypeFor[File](), map[string]string{"routes": "[{name: a, prefix: /, backend: 'https://b'}]"}, "{%s}\n"},
		"identity": {reflect.TypeFor[Identity](), nil, "identity: {%s}\n" + route},
		"users":    {reflect.TypeFor[Users](), nil, "users: {%s}\n" + route},
		"tokens": {
			reflect.TypeFor[Issuer](),
			map[string]string{"issuer": "a", "keys": "k", "audience": "b", "algorithms": "[RS256]"},
			"tokens: [{%s}]\n" + route,
		},
		"cors": {reflect.TypeFor[CORS](), map[string]string{"origins": "['https://a.example.com']"}, "cors: {%s}\n" + route},
		"routes.cors": {
			reflect.TypeFor[CORS](),
			map[string]string{"origins": "['https://a.example.com']"},
			"routes: [{name: a, prefix: /, backend: 'https://b', cors: {%s}}]\n",
		},
		"limits":   {reflect.TypeFor[Limits](), nil, "limits: {%s}\n" + route},
		"defaults": {reflect.TypeFor[Route](), nil, "defaults: {%s}\n" + route},
		"routes":   {reflect.TypeFor[Route](), map[string]string{"name": "a", "prefix": "/", "backend": "'https://b'"}, "routes: [{%s}]\n"},
		"routes.tls": {
			reflect.TypeFor[TLS](),
			map[string]string{"cert": "c", "key": "k"},
			"routes: [{name: a, prefix: /, backend: 'https://b', tls: {%s}}]\n",
		},
		"routes.request_headers": {
			reflect.TypeFor[HeaderRules](),
			map[string]string{"set": "{X-A: b}", "add": "{X-B: c}", "remove": "[X-C]"},
			"routes: [{name: a, prefix: /, backend: 'https://b', request_headers: {%s}}]\n",
		},
		"routes.response_headers": {
			reflect.TypeFor[HeaderRules](),
			map[string]string{"set": "{X-A: b}", "add": "{X-B: c}", "remove": "[X-C]"},
			"routes: [{name: a, prefix: /, backend: 'https://b', response_headers: {%s}}]\n",
		},
		"response_headers": {
			reflect.TypeFor[TableHeaders](),
			map[string]string{"set": "{X-A: b}", "add": "{X-B: c}", "remove": "[X-C]"},
			"response_headers: {%s}\n" + route,
		},
		"backends.a": {
			reflect.TypeFor[Backend](),
			map[string]string{"servers": "['https://b']"},
			"backends: {a: {%s}}\n" + route,
		},
		"backends.a.servers": {
			reflect.TypeFor[Server](),
			map[string]string{"url": "'https://b'"},
			"backends: {a: {servers: [{%s}]}}\n" + route,
		},
		"backends.a.discover": {
			reflect.TypeFor[Discover](),
			map[string]string{"url": "'https://b'"},
			"backends: {a: {discover: {%s}}}\n" + route,
		},
		"backends.a.hash": {
			reflect.TypeFor[HashKey](),
			map[string]string{"header": "X-A"},
			"backends: {a: {servers: ['https://b'], balance: hash, hash: {%s}}}\n" + route,
		},
		"backends.a.sticky": {
			reflect.TypeFor[Sticky](),
			map[string]string{"cookie": "a"},
			"backends: {a: {servers: ['https://b'], sticky: {%s}}}\n" + route,
		},
		"backends.a.health": {
			reflect.TypeFor[Health](),
			map[string]string{"path": "/"},
			"backends: {a: {servers: ['https://b'], health: {%s}}}\n" + route,
		},
		"backends.a.health (grpc)": {
			reflect.TypeFor[struct {
				GRPC *string `yaml:"grpc"`
			}](),
			map[string]string{"grpc": "a"},
			"backends: {a: {servers: ['https://b'], health: {%s}}}\n" + route,
		},
		"backends.a.passive": {
			reflect.TypeFor[Passive](),
			map[string]string{"fails": "3"},
			"backends: {a: {servers: ['https://b'], passive: {%s}}}\n" + route,
		},
		"backends.a.retry": {
			reflect.TypeFor[Retry](),
			map[string]string{"attempts": "3"},
			"backends: {a: {servers: ['https://b'], retry: {%s}}}\n" + route,
		},
		"backends.a.tls": {
			reflect.TypeFor[TLS](),
			map[string]string{"cert": "c", "key": "k"},
			"backends: {a: {servers: ['https://b'], tls: {%s}}}\n" + route,
		},
		"routes.split_by": {
			reflect.TypeFor[HashKey](),
			map[string]string{"header": "X-A"},
			"backends: {a: {servers: ['https://b']}, c: {servers: ['https://d']}}\nroutes: [{name: a, prefix: /, backend: {a: 1, c: 1}, split_by: {%s}}]\n",
		},
		"routes.mirror": {
			reflect.TypeFor[Mirror](),
			map[string]string{"backend": "'https://c'", "percent": "5%"},
			"routes: [{name: a, prefix: /, backend: 'https://b', mirror: {%s}}]\n",
		},
		"routes.redirect": {
			reflect.TypeFor[Redirect](),
			map[string]string{"to": "/new"},
			"routes: [{name: a, prefix: /, redirect: {%s}}]\n",
		},
		"routes.rewrite": {
			reflect.TypeFor[Rewrite](),
			map[string]string{"from": "'^/a$'", "to": "/b"},
			"routes: [{name: a, prefix: /, backend: 'http://b', rewrite: {%s}}]\n",
		},
		"routes.respond": {
			reflect.TypeFor[Respond](),
			map[string]string{"status": "503"},
			"routes: [{name: a, prefix: /, respond: {%s}}]\n",
		},
		"tests": {reflect.TypeFor[Test](), map[string]string{"request": "GET /", "as": "member", "expect": "a"}, "tests: [{%s}]\n" + route},
		"tests.as": {
			reflect.TypeFor[Caller](),
			map[string]string{"company": "off"},
			"tests: [{request: GET /, expect: a, as: {%s}}]\n" + route,
		},
		"tests.expect": {
			reflect.TypeFor[Expectation](),
			map[string]string{"to": "a"},
			"tests: [{request: GET /, as: member, expect: {%s}}]\n" + route,
		},
	}
}

// TestEmptyIsRefused requires an error for a key that is present and empty,
// when that would let more through (issue 10). It tests every key of the types,
// including future ones.
func TestEmptyIsRefused(t *testing.T) {
	d := yamldoc.NewDecoder(nil, nil)
	unused := emptyIsFine()
	parse := func(table string) error {
		_, err := Parse("routes.yaml", []byte(table), configtest.Environment())
		return err
	}
	for section, frame := range frames() {
		write := func(key, value string) string {
			keys := maps.Clone(frame.keys)
			if keys == nil {
				keys = map[string]string{}
			}
			if key != "" {
				keys[key] = value
			}
			var pairs []string
			for _, name := range slices.Sorted(maps.Keys(keys)) {
				pairs = append(pairs, name+": "+keys[name])
			}
			return fmt.Sprintf(frame.table, strings.Join(pairs, ", "))
		}
		if err := parse(write("", "")); err != nil {
			t.Fatalf("%s: the frame itself is bad: %v", section, err)
		}
		for _, key := range d.Keys(frame.t) {
			key := key.Name
			path := strings.TrimPrefix(section+"."+key, ".")
			for _, empty := range emptyValues() {
				table := write(key, empty)
				reason, fine := emptyIsFine()[path+" "+empty]
				delete(unused, path+" "+empty)
				switch err := parse(table); {
				case err == nil && !fine:
					t.Errorf("%s: %q is taken:\n%s", path, empty, table)
				case err != nil && fine:
					t.Errorf("%s: %q is refused, though %s: %v", path, empty, reason, err)
				}
			}
		}
	}
	for key := range unused {
		t.Errorf("%s: there is no such key", key)
	}
}

// TestEmptyOverridesDefault requires that a route can undo `defaults:`.
func TestEmptyOverridesDefault(t *testing.T) {
	table, err := Parse("routes.yaml", []byte(`
defaults: {hosts: [a.example.com], methods: [GET], headers: {X-A: b}, roles: [admin], claims: {scope: [a]}, allow_from: ["::1"], deny_from: ["::2"], upgrade: [irc], tls: {ca: ca.pem}}
routes:
  - {name: a, prefix: /, backend: "https://b", hosts: [], methods: [], headers: {}, roles: [], claims: {}, allow_from: [], deny_from: [], upgrade: [], tls: {}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := table.Routes[0]; len(a.Hosts)+len(a.Methods)+len(a.Headers)+len(a.Roles)+len(a.Claims)+len(a.Upgrade) != 0 || a.ChecksAddresses() || *a.TLS != (TLS{}) {
		t.Errorf("got %+v", a)
	}
}
