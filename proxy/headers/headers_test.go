package headers

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"

	"gatehouse/auth"
	"gatehouse/config"
)

// identity returns a caller whose token has these claims besides `sub`.
func identity(t testing.TB, claims map[string]any) *auth.Identity {
	t.Helper()
	claims["sub"] = "ann"
	who, refusal := auth.SimulatedIdentity(claims).Decide(t.Context(), http.Header{}, auth.Rule{Policy: config.PolicyInitial})
	if refusal != nil {
		t.Fatal(refusal)
	}
	return who
}

// rendered returns the value of a header for the facts.
func rendered(text string, facts *Facts) string {
	v := newValue(config.HeaderValue(text))
	if v.fixed != nil {
		return v.fixed[0]
	}
	return v.text(facts)
}

func TestValue(t *testing.T) {
	facts := &Facts{
		ClientIP: netip.MustParseAddr("2001:db8::1"), RequestID: "id-1", Host: "Shop.Example.com:8443", Route: "orders",
		Identity: identity(t, map[string]any{
			"plan": "gold", "https://example.com/tenant": "acme", "line": "a\r\nX-User-ID: evil", "nul": "a\x00b", "spaces": "  ", "list": []any{"a"}, "yes": true,
			"placeholder": "{host}",
		}),
	}
	for text, want := range map[string]string{
		"prod":                               "prod",
		"{client_ip}":                        "2001:db8::1",
		"{request_id}":                       "id-1",
		"{host}":                             "shop.example.com",
		"{route}":                            "orders",
		"{claim.plan}":                       "gold",
		"{claim.sub}":                        "ann",
		"{claim.https://example.com/tenant}": "acme",
		"{claim.yes}":                        "true",
		"{claim.nothing}":                    "",
		"{claim.list}":                       "",
		"{claim.line}":                       "",
		"{claim.nul}":                        "",
		"{claim.spaces}":                     "",
		"a {claim.nothing}":                  "a",
		"{claim.nothing} a":                  "a",
		"a-{claim.plan}-{host}-b":            "a-gold-shop.example.com-b",
		"{claim.placeholder}":                "{host}",
		`{{"a": "{claim.plan}"}}`:            `{"a": "gold"}`,
		"{{host}}":                           "{host}",
	} {
		if got := rendered(text, facts); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := rendered("{host}", &Facts{Host: "[2001:DB8::1]:80"}); got != "[2001:db8::1]" {
		t.Errorf("IPv6: %q", got)
	}
	for _, text := range []string{"{client_ip}", "{request_id}", "{host}", "{route}", "{claim.sub}"} {
		if got := rendered(text, new(Facts)); got != "" {
			t.Errorf("%q without facts: %q", text, got)
		}
	}
}

// FuzzValue checks that no request ends a header line, whatever the value and the facts.
func FuzzValue(f *testing.F) {
	for _, text := range []string{"a", "{claim.a}", "x {claim.a} {request_id}", "{host}{route}", "{{{claim.a}}}", "{", "}}", "{claim.a"} {
		f.Add(text, "a\r\nX-User-ID: b", "id")
		f.Add(text, " a\x00 ", "i\nd")
		f.Add(text, "é\x7f", "")
	}
	f.Fuzz(func(t *testing.T, text, claim, id string) {
		if strings.ContainsAny(text, "\x00\r\n") || strings.TrimSpace(text) == "" {
			return // refused when the table is read
		}
		facts := &Facts{RequestID: id, Host: id, Route: id, Identity: identity(t, map[string]any{"a": claim})}
		rules := NewRules(&config.HeaderRules{Set: map[string]config.HeaderValue{"X-A": config.HeaderValue(text)}})
		rules.Each(facts, func(value string) []string { return []string{value} }, func(name string, values []string) {
			if value := values[0]; len(values) != 1 || strings.ContainsAny(value, "\x00\r\n") || value == "" {
				t.Errorf("%q with %q: %q", text, claim, values)
			} else if parts := config.HeaderValue(text).Parts(); len(parts) > 1 && !httpguts.ValidHeaderFieldValue(value) {
				t.Errorf("%q with %q: %q is no header's value", text, claim, value)
			}
		})
	})
}

func TestRules(t *testing.T) {
	for _, nothing := range []*config.HeaderRules{nil, {}, {Set: map[string]config.HeaderValue{}}} {
		if NewRules(nothing) != nil {
			t.Errorf("%+v: rules", nothing)
		}
	}
	rules := NewRules(&config.HeaderRules{
		Set: map[string]config.HeaderValue{"x-env": "prod", "X-None": "{claim.none}"}, Add: map[string]config.HeaderValue{"X-Tag": "edge"}, Remove: []string{"X-DEBUG"},
	})
	for _, name := range []string{"X-Env", "x_env", "X.ENV", "X-None", "X-Debug", "x-debug", "X_Debug"} {
		if !rules.Replaces(name) {
			t.Errorf("%s is not replaced", name)
		}
	}
	for _, name := range []string{"X-Tag", "X-Environment", "Env", ""} {
		if rules.Replaces(name) {
			t.Errorf("%q is replaced", name)
		}
	}
	var lines []string
	rules.Each(new(Facts), func(value string) []string { return []string{value} }, func(name string, values []string) {
		lines = append(lines, name+": "+strings.Join(values, ", "))
	})
	if got := strings.Join(lines, "; "); got != "X-Env: prod; X-Tag: edge" {
		t.Errorf("got %s", got)
	}
	if !rules.Sends("X-Tag") || !rules.Sends("Other", "X-Env") || rules.Sends("X-Debug") || !rules.HasAdded() {
		t.Error("wrong about what is sent")
	}
}

// BenchmarkRule measures one rule of each kind.
func BenchmarkRule(b *testing.B) {
	facts := &Facts{
		ClientIP: netip.MustParseAddr("192.0.2.1"), RequestID: "8d4f3c1e-8a0e-4c55-9d3b-0c7b6c3f1d2a", Host: "shop.example.com", Route: "orders",
		Identity: identity(b, map[string]any{"plan": "gold"}),
	}
	var room [1]string
	single := func(value string) []string { room[0] = value; return room[:] }
	put := func(string, []string) {}
	for name, text := range map[string]config.HeaderValue{
		"fixed": "prod", "claim": "{claim.plan}", "client_ip": "{client_ip}", "request_id": "{request_id}", "host": "{host}", "mixed": "{route}/{claim.plan} {host}",
	} {
		b.Run(name, func(b *testing.B) {
			rules := NewRules(&config.HeaderRules{Set: map[string]config.HeaderValue{"X-A": text}})
			b.ReportAllocs()
			for b.Loop() {
				rules.Each(facts, single, put)
			}
		})
	}
	b.Run("lookup", func(b *testing.B) { // for each header of a client
		rules := NewRules(&config.HeaderRules{Remove: []string{"X-Debug", "User-Agint", "Accept-Encodyng"}})
		b.ReportAllocs()
		for b.Loop() {
			rules.Replaces("User-Agent")
		}
	})
}
