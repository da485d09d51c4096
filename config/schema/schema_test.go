// Tests of the schema: that the committed file is the generated one, that it
// lets every good table through, and which bad ones it refuses.

package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"
	"gopkg.in/yaml.v3"

	"gatehouse/config"
	"gatehouse/config/configtest"
	"gatehouse/internal/testkit"
)

const schemaFile = "../routes.schema.json"

func TestSchemaFile(t *testing.T) {
	first, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	second, err := Generate()
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("two runs differ: %v", err)
	}
	configtest.Golden(t, schemaFile, string(first))
}

// compiledSchema checks the schema against the dialect's own, too.
func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	written, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(written))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(schemaFile, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON makes of a file what an editor makes of it. The editor's own parser
// refuses what is not one YAML document.
func asJSON(data []byte) (any, error) {
	document, err := oneDocument(bytes.TrimPrefix(data, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	return nodeAsJSON(document)
}

// oneDocument parses YAML. The parser reports its own inconsistencies by panicking.
func oneDocument(data []byte) (root *yaml.Node, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("parse YAML: %v", cause)
		}
	}()
	var document, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) || len(document.Content) == 0 {
		return nil, errors.New("not one document")
	}
	return document.Content[0], nil
}

// followed returns the node that an alias stands for, and any other node itself.
func followed(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// nodeAsJSON reads plain words as YAML 1.2 does: off, yes and dates are text.
func nodeAsJSON(n *yaml.Node) (any, error) {
	n = followed(n)
	switch n.Kind {
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, entry := range n.Content {
			value, err := nodeAsJSON(entry)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	case yaml.MappingNode:
		return mappingAsJSON(n)
	}
	if slices.Contains([]string{"!!timestamp", "!!binary", "!!str"}, n.Tag) {
		return n.Value, nil
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return nil, err
	}
	switch number := value.(type) {
	case float64:
		if math.IsInf(number, 0) || math.IsNaN(number) {
			return 0.5, nil // some number that is not a whole one
		}
	case int, int64, uint64:
		return json.Number(fmt.Sprint(number)), nil
	}
	return value, nil
}

// mappingAsJSON follows merges, as editors do. Keys of a mapping's own go before
// those that it merges.
func mappingAsJSON(n *yaml.Node) (any, error) {
	object, merged := map[string]any{}, map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := followed(n.Content[i])
		if key.Kind != yaml.ScalarNode {
			return nil, errors.New("a key is no text")
		}
		value, err := nodeAsJSON(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		if mapping, ok := value.(map[string]any); ok && key.Tag == "!!merge" {
			maps.Copy(merged, mapping)
			continue
		}
		if _, repeated := object[key.Value]; repeated {
			return nil, errors.New("a key is given twice")
		}
		object[key.Value] = value
	}
	for name, value := range merged {
		if _, own := object[name]; !own {
			object[name] = value
		}
	}
	return object, nil
}

func TestSchemaTakesGoodTables(t *testing.T) {
	schema := compiledSchema(t)
	var files []string
	for _, pattern := range []string{"../testdata/good/*.yaml", "../testdata/warn/*.yaml", "../../examples/*.yaml", "../../routes.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	for _, path := range files {
		document, err := asJSON(testkit.ReadFile(t, path))
		if err != nil {
			t.Fatal(path, err)
		}
		if err := schema.Validate(document); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// One schema serves the table and the files that it includes.
func TestSchemaTakesIncludedFiles(t *testing.T) {
	schema := compiledSchema(t)
	archives, err := filepath.Glob("../testdata/include/good*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no corpus", err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.Files {
			if !strings.HasSuffix(file.Name, ".yaml") || bytes.HasPrefix(file.Data, []byte("-> ")) {
				continue
			}
			document, err := asJSON(file.Data)
			if err != nil {
				t.Fatal(path, file.Name, err)
			}
			if err := schema.Validate(document); err != nil {
				t.Errorf("%s: %s: %v", path, file.Name, err)
			}
		}
	}
}

// beyondSchema are the bad files that a schema cannot refuse, by the reason.
func beyondGenerate() map[string][]string {
	return map[string][]string{
		"an editor does not know the environment": {
			"environment-duration", "environment-line-break", "environment-password", "environment-structure", "environment-unset",
			"environment-unset-two", "environment-value-hidden", "environment-value-shown",
			"token-audience-environment", "token-audience-default", "token-audience-entry-environment",
			"empty-header-environment", "empty-role-environment", "empty-method-default", "empty-auth", "empty-max-body", "empty-response-header", "empty-issuer",
			"empty-algorithm", "empty-proxy", "empty-origin", "empty-company", "empty-limit", "empty-users",
		},
		"two entries of a list are compared by one of their values": {
			"route-name-twice", "test-route", "conflict-escape", "conflict-headers", "conflict-host", "conflict-methods", "conflict-plain", "token-twice",
		},
		"two spellings are the same": {"header-twice", "response-rules-names", "host-twice", "identity-folded", "identity-folded-other"},
		"one part of the file is held against another": {
			"response-rules-cors", "response-rules-cors-inherited", "header-identity", "header-identity-default", "header-identity-defaults", "allow-from-undefined", "allow-from-unknown", "proxies-name", "proxies-unknown-set", "proxy-protocol-set", "redirect-host-address", "redirect-host-alone",
		},
		"a schema does not compare names": {"backend-name-near", "backend-name-none", "backend-split-name", "mirror-backend-name", "sticky-twice"},
		"a schema does not compare URLs":  {"servers-path", "servers-scheme", "servers-twice"},
		"the backend of a route is another part of the file": {
			"route-h2c-https-backend", "route-tls-http-backend", "route-upgrade-h2c-backend",
		},
		"a schema does not read URLs": {"backends-h2c-https", "backends-tls-http", "discover-address", "discover-address-ipv6"},
		"a schema does not add up":    {"backend-split-none", "servers-weight-none"},
		"a schema does not read durations and shares": {
			"discover-refresh", "health-interval", "passive-eject", "passive-max-ejected", "retry-budget", "sticky-ttl",
		},
		"a range has to be computed":                          {"health-expect-range"},
		"one name of a header is no header":                   {"hash-host"},
		"a prefix of a cookie's name has rules":               {"sticky-host-prefix"},
		"a schema does not know the table's identity headers": {"request-headers-identity", "request-headers-identity-none"},
		"a schema does not parse placeholders":                {"request-headers-claim-of-nobody"},
		"a schema does not know the public suffixes":          {"cors-public-suffix-credentials"},
		"a route starts from the file's defaults": {
			"rewrite-and-strip-default", "basic-no-policy", "roles-inherited", "roles-optional-inherited", "empty-roles", "empty-methods", "empty-hosts", "empty-headers", "match-headers-empty", "request-headers-empty-whole", "response-rules-empty-whole", "empty-allow-from", "empty-deny-from", "empty-tls", "empty-defaults-roles", "claims-empty", "claims-defaults", "claims-inherited",
		},
		"the value is near a known word, but not that one":  {"cors-scheme", "method-near"},
		"the value has to be computed":                      {"addresses-bits", "token-leeway-long", "cors-class-range", "prefix-escape-twice", "proxies-bits", "proxies-mapped", "size-huge"},
		"the pattern of a redirect is only about its parts": {"redirect-dots", "redirect-double-slash", "redirect-escape", "redirect-port"},
		"one name of a set of addresses is reserved":        {"addresses-unix", "allow-from-unix"},
		"an expression has to be parsed": {
			"rewrite-alternatives", "rewrite-backreference", "rewrite-large", "rewrite-lookahead", "rewrite-no-begin", "rewrite-no-end",
			"rewrite-not-anchored", "rewrite-other-prefix", "rewrite-syntax", "rewrite-group-missing", "rewrite-group-none",
		},
		"the pattern of a rewrite is only about its bytes": {"rewrite-dots", "rewrite-encoded-slash", "rewrite-slashes"},
		"a path has to be resolved":                        {"errors-outside", "basic-outside", "respond-file-deep", "respond-file-outside"},
		"YAML hides how the value was written": {
			"bool-case", "ambiguous-date", "ambiguous-hex", "ambiguous-key", "ambiguous-no", "ambiguous-number", "ambiguous-octal", "ambiguous-time",
			"ambiguous-underscore", "ambiguous-y", "claims-octal", "claims-yes", "tagged-merge-tokens", "tagged-route", "tagged-route-map", "tagged-section", "tagged-tests", "tagged-tokens", "tagged-top", "test-company-no", "type-tag",
		},
		"a schema does not see comments": {"unicode-line-break"},
		"editors follow merges":          {"merge-key"},
	}
}

// A bad file is refused by the schema, or stands above with the reason why not.
func TestSchemaRefusesBadTables(t *testing.T) {
	schema := compiledSchema(t)
	excused := map[string]string{}
	for reason, names := range beyondGenerate() {
		for _, name := range names {
			excused[name] = reason
		}
	}
	files, err := filepath.Glob("../testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		reason, beyond := excused[name]
		delete(excused, name)
		document, err := asJSON(testkit.ReadFile(t, path))
		if err == nil {
			err = schema.Validate(document)
		}
		switch {
		case err == nil && !beyond:
			t.Errorf("%s: the schema takes it; refuse it there, or say in beyondSchema why that cannot be", name)
		case err != nil && beyond:
			t.Errorf("%s: the schema refuses it after all, though %q", name, reason)
		}
	}
	for name := range excused {
		t.Errorf("%s: there is no such file", name)
	}
}

// The schema refuses nothing that check takes: an editor that underlines what is
// right is soon ignored.
func FuzzSchemaIsNoStricter(f *testing.F) {
	places := []string{
		"name: %s", "name: x\nusers: %s", "users: {companies: [%s]}", "users: {join: %s}", "users: {grace: %s}", "identity: {headers: {X-A: %s}}",
		"identity: {headers: {%s: sub}}", "tokens: [{issuer: %s, keys: k, algorithms: [RS256], audience: a}]",
		"tokens: [{issuer: a, keys: %s, algorithms: [RS256], audience: a}]", "tokens: [{issuer: a, keys: k, algorithms: [%s], audience: a}]",
		"tokens: [{issuer: a, keys: k, algorithms: [RS256], audience: %s}]", "tokens: [{issuer: a, keys: k, algorithms: [RS256], audience: a, claims: {role: %s}}]", "tokens: [{issuer: a, keys: k, algorithms: [RS256], audience: a, leeway: %s}]", "tokens: [{issuer: a, keys: k, algorithms: [RS256], audience: [%s]}]",
		"cors: {origins: [%s]}", "cors: {origins: [%s], credentials: true}", "cors: {origins: ['*'], expose: [%s], max_age: 1s}",
		"cors: {origins: ['*'], max_age: %s}", "cors: {origins: ['*'], credentials: %s}", "trusted_proxies: [%s]", "addresses: {%s: ['::1']}", "addresses: {a: [%s]}", "addresses: {x: ['::1']}\ndefaults: {allow_from: [%s]}", "defaults: {timeout: %s}",
		"defaults: {max_body: %s}", "defaults: {protocol: %s}", "defaults: {upgrade: [%s]}", "defaults: {auth: %s}", "defaults: {claims: {a: %s}}", "defaults: {claims: {a: [%s]}}", "defaults: {claims: {%s: [b]}}", "defaults: {strip_prefix: %s}",
		"routes: [{name: %s, prefix: /, backend: 'http://b'}]", "routes: [{name: a, prefix: %s, backend: 'http://b'}]",
		"routes: [{name: a, prefix: /, backend: %s}]", "routes: [{name: a, prefix: /, backend: 'http://b', hosts: [%s]}]",
		"routes: [{name: a, prefix: /, backend: 'http://b', methods: [%s]}]", "routes: [{name: a, prefix: /, backend: 'http://b', headers: {X-A: %s}}]",
		"routes: [{name: a, prefix: /, backend: 'http://b', headers: {%s: x}}]", "routes: [{name: a, prefix: /, backend: 'http://b', roles: [%s]}]",
		"routes: [{name: a, prefix: /, backend: 'https://b', tls: {server_name: %s}}]",
		"routes: [{name: a, prefix: /, backend: 'https://b', rewrite: {from: %s, to: /x}}]",
		"routes: [{name: a, prefix: /, backend: 'https://b', rewrite: {from: '^(.*)(.*)$', to: %s}}]",
		"routes: [{name: a, prefix: /, backend: 'https://b', rewrite_location: %s}]", "tests: [{request: %s, as: member, expect: 200}]",
		"tests: [{request: GET /, as: member, expect: %s}]", "tests: [{request: GET /, as: %s, expect: 200}]", "%s",
		"tests: [{request: GET /, as: {roles: [%s]}, expect: 200}]", "tests: [{request: GET /, as: {company: %s}, expect: 200}]",
		"tests: [{request: GET /, as: {claims: {a: %s}}, expect: 200}]", "tests: [{request: GET /, as: {claims: {%s: 1}}, expect: 200}]",
		"tests: [{request: GET /, as: {basic: %s}, expect: 200}]", "tests: [{request: GET /, as: member, host: %s, expect: 200}]",
		"tests: [{request: GET /, as: member, from: %s, expect: 200}]", "tests: [{request: GET /, as: member, headers: {X-A: %s}, expect: 200}]",
		"tests: [{request: GET /, as: member, expect: {to: %s}}]", "tests: [{request: GET /, as: member, expect: {status: %s}}]",
		"tests: [{request: GET /, as: member, expect: {location: %s}}]", "tests: [{request: GET /, as: member, expect: {header: {X-A: %s}}}]",
		"routes: [{name: a, prefix: /, backend: 'http://b', auth: none, basic: %s}]",
		"backends: {%s: {servers: ['http://a']}}", "backends: {a: {servers: [%s]}}", "backends: {a: {servers: [{url: 'http://a', weight: %s}]}}",
		"backends: {a: {discover: {url: %s}}}", "backends: {a: {discover: {srv: %s}}}", "backends: {a: {discover: {url: 'http://a', refresh: %s}}}",
		"backends: {a: {servers: ['http://a'], balance: %s}}", "backends: {a: {servers: ['http://a'], balance: hash, hash: %s}}",
		"backends: {a: {servers: ['http://a'], balance: hash, hash: {header: %s}}}", "backends: {a: {servers: ['http://a'], balance: hash, hash: {claim: %s}}}",
		"backends: {a: {servers: ['http://a'], sticky: {cookie: %s}}}", "backends: {a: {servers: ['http://a'], health: {path: %s}}}",
		"backends: {a: {servers: ['http://a'], health: {grpc: %s}}}", "backends: {a: {servers: ['http://a'], health: {path: /, expect: [%s]}}}",
		"backends: {a: {servers: ['http://a'], health: {path: /, fails: %s}}}", "backends: {a: {servers: ['http://a'], passive: %s}}",
		"backends: {a: {servers: ['http://a'], passive: {max_ejected: %s}}}", "backends: {a: {servers: ['http://a'], retry: %s}}",
		"backends: {a: {servers: ['http://a'], retry: {when: [%s]}}}", "backends: {a: {servers: ['http://a'], retry: {methods: [%s]}}}",
		"backends: {a: {servers: ['http://a'], timeout: %s}}", "backends: {a: {servers: ['http://a'], protocol: %s}}", "backends: {a: {servers: ['http://a'], preserve_host: %s}}",
		"backends: {a: {servers: ['http://a'], share: %s}}", "backends: {a: {servers: ['https://a'], tls: {ca: %s}}}", "backends: {a: {servers: ['http://a'], max_requests: %s}}",
		"routes: [{name: a, prefix: /, backend: {x: %s, y: 1}}]\nbackends: {x: {servers: ['http://x']}, y: {servers: ['http://x']}}",
		"routes: [{name: a, prefix: /, backend: %s}]\nbackends: {x: {servers: ['http://x']}, strict: {servers: ['http://x']}, off: {servers: ['http://x']}}",
		"routes: [{name: a, prefix: /, backend: {x: 1, y: 1}, split_by: %s}]\nbackends: {x: {servers: ['http://x']}, y: {servers: ['http://x']}}",
		"routes: [{name: a, prefix: /, backend: {x: 1, y: 1}, split_by: {cookie: %s}}]\nbackends: {x: {servers: ['http://x']}, y: {servers: ['http://x']}}",
		"routes: [{name: a, prefix: /, backend: 'http://a', mirror: {backend: %s, percent: 5}}]\nbackends: {x: {servers: ['http://x']}}",
		"routes: [{name: a, prefix: /, backend: 'http://a', mirror: {backend: 'http://b', percent: %s}}]",
	}
	values := []string{
		"x", "off", "true", "0", "60", "-0", "1.5h", "+.5s", "64KiB", "10.0.0.0/8", "::1", "[::1]", "*.example.com", "A.example.com", "GET", "GET /a?b=c",
		"/", "/a/b", "/caf%C3%A9/...", "http://b:8080/base/", "https://[::1]:443", "http://127.0.0.1/keys", "https://a-*.b.com:300[0-9]",
		"http://[::1]:3000", "*", "9b8f7e6d-5c4b-4a39-8877-665544332222", "${NAME}", "a ${NOWHERE:-b$} $${c}", "websocket", "RS256", "X-Y", "strict",
		"^/.*$", "/$1$2/$$", "/$1*%C3%A9", "/$1/x$2", "OFF",
		"client_ip", "{header: X-A}", "200-299", "503", "50%", "0.5", "connect", "_http._tcp.a", "p2c", "{fails: 3}", "{attempts: 3}", "http://a.example.com:8080",
	}
	for place := range places {
		for _, value := range values {
			f.Add(place, value, false)
		}
	}
	schema := compiledSchema(f)
	f.Fuzz(func(t *testing.T, place int, value string, plain bool) {
		if place < 0 || place >= len(places) {
			return
		}
		if written, err := json.Marshal(value); err == nil && !plain {
			value = string(written) // JSON is YAML
		}
		table := []byte(fmt.Sprintf(places[place], value) + "\n")
		if !bytes.HasPrefix(table, []byte("routes")) {
			table = append(table, configtest.OneRoute...)
		}
		if _, err := config.Parse("routes.yaml", table, configtest.Environment()); err != nil {
			return
		}
		document, err := asJSON(table)
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		if err := schema.Validate(document); err != nil {
			t.Errorf("check takes, and the schema refuses:\n%s\n%v", table, err)
		}
	})
}

// In a prefix the schema knows exactly which escapes are right.
func TestSchemaEscapes(t *testing.T) {
	pattern := regexp.MustCompile(prefixPattern)
	takes := func(prefix string) bool {
		written, err := json.Marshal(prefix) // JSON is YAML
		if err != nil {
			t.Fatal(err)
		}
		_, err = config.Parse("routes.yaml", fmt.Appendf(nil, "routes: [{name: a, prefix: %s, backend: 'http://b'}]\n", written), nil)
		return err == nil
	}
	for c := range 256 {
		for _, form := range []string{"/a%%%02X", "/%%%02x/b", "/%c"} {
			prefix := fmt.Sprintf(form, c)
			if check, schema := takes(prefix), pattern.MatchString(prefix); check != schema {
				t.Errorf("%q: check takes it: %v, the schema: %v", prefix, check, schema)
			}
		}
	}
}
