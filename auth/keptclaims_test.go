package auth

import (
	"encoding/json"
	"strings"
	"testing"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"

	"github.com/golang-jwt/jwt/v5"
)

// decodedClaims decodes claims as a token is decoded.
func decodedClaims(t testing.TB, text string) map[string]any {
	t.Helper()
	claims, decoder := map[string]any{}, json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// A name is that of a claim, or the path of one, and the longest part that is a
// claim counts first.
func TestFindClaim(t *testing.T) {
	claims := decodedClaims(t, `{
		"scope": "a b", "level": 3, "nothing": null, "list": ["a"],
		"realm_access": {"roles": "realm", "none": null},
		"resource_access": {"my.app": {"roles": "app"}, "my": {"other": "o"}},
		"https://example.com/roles": "namespaced",
		"https://example.com/claims": {"x-role": "inside"},
		"both.ways": "whole", "both": {"ways": "path"},
		"gone.here": null, "gone": {"here": "path"},
		"text.deep": "text", "text": {"deep": {"er": "below"}},
		".dot": "first", "": {"": "empty"}
	}`)
	for name, want := range map[string]string{
		"scope": "a b", "level": "3", "nothing": "", "list": "", "absent": "",
		"realm_access": "", "realm_access.roles": "realm", "realm_access.none": "", "realm_access.absent": "", "realm_access.roles.x": "",
		"resource_access.my.app.roles": "app", "resource_access.my.other": "o", "resource_access.my.app": "",
		"https://example.com/roles": "namespaced", "https://example.com/claims.x-role": "inside",
		"both.ways": "whole", "gone.here": "", "text.deep.er": "below",
		"scope.a": "", "list.0": "", ".dot": "first", "": "", ".": "", "..": "",
	} {
		if got := claimText(findClaim(claims, name)); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// An identity keeps what the table uses, whether its token is remembered or not.
func TestKeptClaims(t *testing.T) {
	table := &config.Config{Identity: config.Identity{Headers: map[string]string{
		"X-Realm": "realm_access.id", "X-Name": "name", "X-User-ID": "sub", "X-Groups": "groups", "X-Absent": "absent",
	}}}
	verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon).Keeping(ClaimsOf(table))
	for name, padding := range map[string]int{"remembered": 0, "too long to remember": maxVerifiedBytes} {
		token := authtest.Signed(t, authtest.Claims(jwt.MapClaims{
			"name": "Ann", "realm_access": map[string]any{"id": 7, "roles": []string{"a"}}, "groups": []string{"a"},
			"unused": strings.Repeat("x", padding),
		}))
		for range 2 {
			who := mustVerify(t, verifier, token)
			for claim, want := range map[string]string{
				"name": "Ann", "realm_access.id": "7", "email": "ann@example.com", "groups": "", "absent": "", "unused": "", "iat": "",
			} {
				if got := who.Claim(claim); got != want {
					t.Errorf("%s: %s = %q, want %q", name, claim, got, want)
				}
			}
			if len(who.claims) != 3 { // with sub
				t.Errorf("%s: keeps %v", name, who.claims)
			}
		}
	}
}

// What a name finds is what a reader finds who tries all ways to split the name,
// and the work is bounded by the name and the token.
func FuzzFindClaim(f *testing.F) {
	f.Add(`{"a":{"b":{"c":1}},"a.b":{"c":2}}`, "a.b.c")
	f.Add(`{"realm_access":{"roles":["x"]}}`, "realm_access.roles")
	f.Add(`{"a":{"a":{"a":{"a":1}}}}`, "a.a.a.a.a")
	f.Add(`{"":{"":{"":true}}}`, "..")
	f.Fuzz(func(t *testing.T, text, name string) {
		claims, decoder := map[string]any{}, json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if len(name) > 64 || decoder.Decode(&claims) != nil {
			return
		}
		found := findClaim(claims, name)
		reachable := found == nil
		var walk func(at any, rest string)
		walk = func(at any, rest string) {
			object, isObject := at.(map[string]any)
			if !isObject {
				return
			}
			for member, value := range object {
				if member == rest && isPlain(value) && value == found || member == rest && !isPlain(value) && !isPlain(found) {
					reachable = true
				}
				if after, inside := strings.CutPrefix(rest, member+"."); inside {
					walk(value, after)
				}
			}
		}
		walk(claims, name)
		if !reachable {
			t.Errorf("%q in %s: %v is at no path", name, text, found)
		}
		if value, whole := claims[name]; whole && isPlain(value) && value != found {
			t.Errorf("%q in %s: got %v, not the claim of that name", name, text, found)
		}
	})
}
