// Tests of decoding a table: values, defaults, positions.

package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/config/configtest"
	"gatehouse/config/problem"
	"gatehouse/internal/testkit"
)

func equalPrefix(a, b netip.Prefix) bool { return a == b }

// mustParse parses a valid table.
func mustParse(t *testing.T, text string, variables map[string]string) *Config {
	t.Helper()
	table, err := Parse("routes.yaml", []byte(text), testkit.Lookup(variables))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestDefaults(t *testing.T) {
	table := mustParse(t, configtest.OneRoute, nil)
	if table.Name != "Gatehouse" || table.Users.Join != JoinListed || table.Users.Grace != 30*time.Second || table.Users.Off || table.CORS != nil {
		t.Errorf("got %+v", table)
	}
	want := map[string]string{"X-User-ID": "sub", "X-Company-ID": "company_id", "X-User-Email": "email"}
	if diff := cmp.Diff(want, table.Identity.Headers); diff != "" {
		t.Error(diff)
	}
	route := table.Routes[0]
	if route.Auth != PolicyStrict || route.Timeout != time.Minute || route.ConnectTimeout != 10*time.Second ||
		route.IdleTimeout != 5*time.Minute || !route.ForwardToken || route.Protocol != ProtocolAuto || route.MaxBody != 0 {
		t.Errorf("got %+v", route)
	}
	if route.Position != (problem.Position{File: "routes.yaml", Line: 2, Column: 5}) {
		t.Errorf("position %v", route.Position)
	}
}

// A route's own keys replace the file's defaults, and those replace the
// built-in ones. Lists and mappings are replaced as a whole. The order in the
// file does not matter.
func TestFileDefaults(t *testing.T) {
	table := mustParse(t, `
routes:
  - {name: a, prefix: /a, backend: "http://a"}
  - {name: b, prefix: /b, backend: "http://b", auth: none, methods: [PUT], headers: {X-B: "2"}, timeout: 1s}
  - {name: users, prefix: /u, handler: users}
defaults: {auth: initial, methods: [GET, POST], headers: {X-A: "1"}, timeout: 5s, forward_token: false}
`, nil)
	a, b, users := table.Routes[0], table.Routes[1], table.Routes[2]
	if a.Auth != PolicyInitial || len(a.Methods) != 2 || a.Headers["X-A"] != "1" || a.Timeout != 5*time.Second || a.ForwardToken {
		t.Errorf("a: %+v", a)
	}
	if b.Auth != PolicyNone || len(b.Methods) != 1 || len(b.Headers) != 1 || b.Headers["X-B"] != "2" || b.Timeout != time.Second {
		t.Errorf("b: %+v", b)
	}
	if users.Auth != "" || users.Roles != nil || users.ConnectTimeout != 10*time.Second {
		t.Errorf("users: %+v", users)
	}
}

// A default upgrade exists only for forwarding over HTTP/1.1.
func TestUpgrade(t *testing.T) {
	table := mustParse(t, `
routes:
  - {name: a, prefix: /a, backend: "http://a"}
  - {name: b, prefix: /b, backend: "http://b", upgrade: []}
  - {name: c, prefix: /c, backend: "http://c", upgrade: [websocket, irc]}
  - {name: d, prefix: /d, backend: "http://d", protocol: h2c}
  - {name: users, prefix: /u, handler: users}
`, nil)
	for i, want := range []string{"websocket", "", "websocket irc", "", ""} {
		if got := strings.Join(table.Routes[i].Upgrade, " "); got != want {
			t.Errorf("%s: got %q, want %q", table.Routes[i].Name, got, want)
		}
	}
	table = mustParse(t, "defaults: {upgrade: [], max_body: 1MiB}\n"+configtest.OneRoute+"  - {name: users, prefix: /u, handler: users}\n", nil)
	if route, users := table.Routes[0], table.Routes[1]; len(route.Upgrade) > 0 || route.MaxBody != 1<<20 || users.MaxBody != 0 {
		t.Errorf("got %v, %v, users %v", route.Upgrade, route.MaxBody, users.MaxBody)
	}
}

func TestIdentityReplacesDefault(t *testing.T) {
	for text, want := range map[string]int{"identity: {}\n": 3, "identity: {headers: {}}\n": 0, "identity: {headers: {X-Me: sub}}\n": 1} {
		if got := len(mustParse(t, text+configtest.OneRoute, nil).Identity.Headers); got != want {
			t.Errorf("%q gives %d headers, want %d", text, got, want)
		}
	}
}

func TestUsersOff(t *testing.T) {
	for text, want := range map[string]bool{
		"users: off\n": true, "users: \"off\"\n": true, "users: false\n": true, "users: {}\n": false, "": false, "users: ${U}\n": true,
	} {
		if got := mustParse(t, text+configtest.OneRoute, map[string]string{"U": "off"}).Users.Off; got != want {
			t.Errorf("%q gives off = %v", text, got)
		}
	}
}

func TestCanonicalForms(t *testing.T) {
	table := mustParse(t, "trusted_proxies: [192.0.2.7, 10.0.0.0/8, '::1', '::ffff:10.0.0.1']\ncors: {origins: ['*']}\n"+
		configtest.OneRoute+"    hosts: [API.Example.com, '[::1]']\n", nil)
	if diff := cmp.Diff([]string{"api.example.com", "::1"}, table.Routes[0].Hosts); diff != "" {
		t.Error(diff)
	}
	want := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.1/32"),
	}
	if diff := cmp.Diff(want, table.TrustedProxies.Networks, cmp.Comparer(equalPrefix)); diff != "" {
		t.Error(diff)
	}
	if table.CORS.MaxAge != 10*time.Minute {
		t.Errorf("max_age %v", table.CORS.MaxAge)
	}
}

// The environment is text: it cannot add keys, lists or comments.
func TestEnvironmentIsText(t *testing.T) {
	for _, value := range []string{"a, b: c", "x # y", "{a: b}", "[1]", "- a", "'", `"`, "*x", "&x", "!!int 1", "yes", "~", "a: b"} {
		table := mustParse(t, "name: ${N}\n"+configtest.OneRoute, map[string]string{"N": value})
		if table.Name != value {
			t.Errorf("%q became %q", value, table.Name)
		}
	}
}

// Every field is a key of the file or is marked as none: a forgotten field
// would never be set.
func TestEveryFieldHasATag(t *testing.T) {
	for _, kind := range []reflect.Type{
		reflect.TypeFor[Config](), reflect.TypeFor[Identity](), reflect.TypeFor[Users](), reflect.TypeFor[Issuer](),
		reflect.TypeFor[CORS](), reflect.TypeFor[Route](), reflect.TypeFor[TLS](), reflect.TypeFor[Test](),
	} {
		for f := range kind.Fields() {
			if f.Tag.Get("yaml") == "" {
				t.Errorf("%s.%s has no yaml tag", kind, f.Name)
			}
		}
	}
}

// All problems of a file are reported in one run, in its order.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse("routes.yaml", []byte(`nome: x
routes:
  - name: a
    prefix: a
    backend: htp://x
    timeout: 60
    bogus: 1
  - name: a
    prefix: /b
    auth: stritc
`), nil)
	var places []string
	for _, problem := range problemsOf(t, err) {
		places = append(places, strings.TrimPrefix(problem.Position.String(), "routes.yaml:"))
	}
	if diff := cmp.Diff([]string{"1:1", "4:13", "5:14", "6:14", "7:5", "8:5", "8:11", "10:11"}, places); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
}

// Columns count characters, not bytes, and the caret stands below them.
func TestColumnsCountCharacters(t *testing.T) {
	_, err := Parse("routes.yaml", []byte(`routes: [{name: "ü日é", prefix: /a, backend: "http://b"}, {name: c, prefix: x, backend: "http://d"}]`), nil)
	problems := problemsOf(t, err)
	if len(problems) != 2 || problems[0].Column != 17 || problems[1].Column != 76 {
		t.Errorf("got %v", err)
	}
}
