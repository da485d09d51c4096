package config

import (
	"fmt"
	"maps"
	"strings"
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

// FuzzHeaderValue checks that the parts of a value are the whole value.
func FuzzHeaderValue(f *testing.F) {
	for _, text := range []string{"a", "{host}", "a{{b}}c", "{claim.a.b} {client_ip}", "{", "}", "{{{", "{claim.}", "{claim.a b}", "{{}}", "}}{{", "{a{host}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if parts, f := HeaderValue(HeaderValue("").EscapeVariable(text)).parse(""); f != nil || len(parts) > 1 || len(parts) == 1 && parts[0].Text != text {
			t.Fatalf("%q as the value of a variable: %v %v", text, parts, f)
		}
		parts, fault := HeaderValue(text).parse("")
		if fault != nil {
			if parts != nil || fault.Reason == "" {
				t.Fatalf("%q: %v and %v", text, parts, fault)
			}
			return
		}
		var again strings.Builder
		for i, part := range parts {
			again.WriteString(HeaderValue("").EscapeVariable(part.Text) + part.Placeholder)
			if part.Claim != "" {
				again.WriteString("{claim." + part.Claim + "}")
			}
			if i > 0 && part.Text != "" && parts[i-1].Text != "" {
				t.Fatalf("%q: two texts in a row: %v", text, parts)
			}
		}
		if again.String() != text {
			t.Fatalf("%q: its parts are %q", text, again.String())
		}
	})
}

// The braces of a variable's value begin no placeholder, and no message shows them.
func TestHeaderValueOfVariable(t *testing.T) {
	lookup := func(name string) (string, bool) { return map[string]string{"KEY": "s3cret{host}{"}[name], true }
	table, err := Parse("routes.yaml", []byte("routes: [{name: a, prefix: /, backend: 'http://b', request_headers: {set: {X-A: '${KEY} {route}'}}}]"), lookup)
	if err != nil {
		t.Fatal(err)
	}
	parts := table.Routes[0].RequestHeaders.Set["X-A"].Parts()
	if len(parts) != 2 || parts[0].Text != "s3cret{host}{ " || parts[1].Placeholder != PlaceholderRoute {
		t.Errorf("got %+v", parts)
	}
	_, err = Parse("routes.yaml", []byte("routes: [{name: a, prefix: /, backend: 'http://b', request_headers: {set: {X-A: '{claim ${KEY}}'}}}]"), lookup)
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

// A redirect, a fixed answer and a handler do not inherit what is for backends.
func TestInheritedRequestHeaders(t *testing.T) {
	table, err := Parse("routes.yaml", []byte(`
defaults: {request_headers: {set: {X-A: "{claim.a}"}}}
routes:
  - {name: a, prefix: /a, backend: "http://b"}
  - {name: open, prefix: /open, backend: "http://b", auth: none}
  - {name: own, prefix: /own, backend: "http://b", request_headers: {remove: [X-B]}}
  - {name: undone, prefix: /undone, backend: "http://b", request_headers: {}}
  - {name: old, prefix: /old, redirect: {to: /new}}
  - {name: stop, prefix: /stop, respond: {status: 503}}
  - {name: users, prefix: /users, handler: users}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"1 0", "1 0", "0 1", "0 0", "nil", "nil", "nil"} {
		got := "nil"
		if rules := table.Routes[i].RequestHeaders; rules != nil {
			got = fmt.Sprint(len(rules.Set), len(rules.Remove))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", table.Routes[i].Name, got, want)
		}
	}
}

// A verified token keeps the claims that the changes need.
func TestClaimsOfRequestHeaders(t *testing.T) {
	table, err := Parse("routes.yaml", []byte(`
identity: {headers: {X-Who: sub}}
routes:
  - {name: a, prefix: /a, backend: "http://b", request_headers: {set: {X-A: "{claim.plan} {claim.realm.id}{host}"}, add: {X-B: "{claim.plan}", X-C: "{{claim.no}}"}}}
  - {name: b, prefix: /b, backend: "http://b", request_headers: {remove: [X-A]}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(table.HeaderClaims(), " "); got != "plan realm.id sub" {
		t.Errorf("got %s", got)
	}
}
