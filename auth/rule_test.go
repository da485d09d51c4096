package auth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/internal/testkit"
)

var wrongClaim = insufficient("The claims of the token do not allow this.")

// requiring returns a table with one route that requires the claims.
func requiring(policy config.Policy, claims map[string]config.ClaimValues) *config.Config {
	return &config.Config{Routes: []config.Route{{Auth: policy, Claims: claims}}}
}

// gateOf returns a gate for a table without users, and the rule of its first
// route.
func gateOf(t testing.TB, table *config.Config) (*Gate, Rule) {
	t.Helper()
	verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon).Keeping(ClaimsOf(table))
	return NewGate(verifier, nil), RuleOf(&table.Routes[0])
}

// A claim of a token may be text, words, a list, a number or a boolean, and its
// name may be a path.
func TestClaimRules(t *testing.T) {
	scope := map[string]config.ClaimValues{"scope": {"orders:write", "orders:read"}}
	for name, test := range map[string]struct {
		claims map[string]config.ClaimValues
		token  string // members besides sub, as JSON
		want   answer
	}{
		"text":                        {scope, `"scope": "orders:read"`, passes},
		"words":                       {scope, `"scope": "openid orders:write email"`, passes},
		"words with more spaces":      {scope, `"scope": "  openid   orders:read "`, passes},
		"list":                        {scope, `"scope": ["openid", "orders:read"]`, passes},
		"part of a word":              {scope, `"scope": "orders:readwrite"`, wrongClaim},
		"another case":                {scope, `"scope": "Orders:Read"`, wrongClaim},
		"words between commas":        {scope, `"scope": "openid,orders:read"`, wrongClaim},
		"words in an entry of a list": {scope, `"scope": ["openid orders:read"]`, wrongClaim},
		"list in a list":              {scope, `"scope": [["orders:read"]]`, wrongClaim},
		"object in a list":            {scope, `"scope": [{"orders:read": true}]`, wrongClaim},
		"object":                      {scope, `"scope": {"orders:read": true}`, wrongClaim},
		"empty text":                  {scope, `"scope": ""`, wrongClaim},
		"empty list":                  {scope, `"scope": []`, wrongClaim},
		"list of null":                {scope, `"scope": [null]`, wrongClaim},
		"null":                        {scope, `"scope": null`, wrongClaim},
		"absent":                      {scope, `"scopes": "orders:read"`, wrongClaim},
		"text with a space":           {map[string]config.ClaimValues{"team": {"blue team"}}, `"team": "blue team"`, passes},
		"not that text":               {map[string]config.ClaimValues{"team": {"blue team"}}, `"team": "blue"`, wrongClaim},

		"number":                   {map[string]config.ClaimValues{"level": {"3"}}, `"level": 3`, passes},
		"number as text":           {map[string]config.ClaimValues{"level": {"3"}}, `"level": "3"`, passes},
		"number in a list":         {map[string]config.ClaimValues{"level": {"3"}}, `"level": [2, 3]`, passes},
		"large number":             {map[string]config.ClaimValues{"id": {"12345678901234567890"}}, `"id": 12345678901234567890`, passes},
		"large number, one more":   {map[string]config.ClaimValues{"id": {"12345678901234567890"}}, `"id": 12345678901234567891`, wrongClaim},
		"fraction":                 {map[string]config.ClaimValues{"level": {"2.5"}}, `"level": 2.5`, passes},
		"number, otherwise":        {map[string]config.ClaimValues{"level": {"3"}}, `"level": 3.0`, wrongClaim},
		"true":                     {map[string]config.ClaimValues{"vip": {"true"}}, `"vip": true`, passes},
		"false":                    {map[string]config.ClaimValues{"vip": {"true"}}, `"vip": false`, wrongClaim},
		"false, wanted":            {map[string]config.ClaimValues{"vip": {"false"}}, `"vip": false`, passes},
		"false, wanted and absent": {map[string]config.ClaimValues{"vip": {"false"}}, `"x": 1`, wrongClaim},
		"null, not wanted as text": {map[string]config.ClaimValues{"vip": {"null"}}, `"vip": null`, wrongClaim},

		"path":                      {map[string]config.ClaimValues{"realm_access.roles": {"admin"}}, `"realm_access": {"roles": ["user", "admin"]}`, passes},
		"path, other value":         {map[string]config.ClaimValues{"realm_access.roles": {"admin"}}, `"realm_access": {"roles": ["user"]}`, wrongClaim},
		"path through a list":       {map[string]config.ClaimValues{"a.b": {"c"}}, `"a": [{"b": "c"}]`, wrongClaim},
		"name with dots":            {map[string]config.ClaimValues{"https://example.com/roles": {"admin"}}, `"https://example.com/roles": ["admin"]`, passes},
		"name with dots and a path": {map[string]config.ClaimValues{"https://example.com/claims.plan": {"gold"}}, `"https://example.com/claims": {"plan": "gold"}`, passes},
		"name before path":          {map[string]config.ClaimValues{"a.b": {"c"}}, `"a.b": "x", "a": {"b": "c"}`, wrongClaim},

		"two claims":         {map[string]config.ClaimValues{"scope": {"a"}, "level": {"3"}}, `"scope": "a b", "level": 3`, passes},
		"one of two claims":  {map[string]config.ClaimValues{"scope": {"a"}, "level": {"3"}}, `"scope": "a b", "level": 2`, wrongClaim},
		"the other of two":   {map[string]config.ClaimValues{"scope": {"a"}, "level": {"3"}}, `"scope": "b", "level": 3`, wrongClaim},
		"sub":                {map[string]config.ClaimValues{"sub": {"ann", "bob"}}, `"x": 1`, passes},
		"email":              {map[string]config.ClaimValues{"email": {"ann@example.com"}}, `"email": "bob@example.com"`, wrongClaim},
		"company_id, absent": {map[string]config.ClaimValues{"company_id": {"acme"}}, `"x": 1`, wrongClaim},
		"role":               {map[string]config.ClaimValues{"role": {"admin", "owner"}}, `"role": "owner"`, passes},
		"role in a list":     {map[string]config.ClaimValues{"role": {"admin", "owner"}}, `"role": ["user", "owner"]`, passes},
		"role, another":      {map[string]config.ClaimValues{"role": {"admin", "owner"}}, `"role": ["user"]`, wrongClaim},
		"role with a space":  {map[string]config.ClaimValues{"role": {"admin"}}, `"role": "not admin"`, wrongClaim},
	} {
		t.Run(name, func(t *testing.T) {
			payload := `{"sub": "ann", "exp": 99999999999, ` + test.token + `}`
			token := "Bearer " + signedText(t, jwt.SigningMethodHS256, []byte(authtest.Secret), `{"alg":"HS256"}`, payload)
			table := requiring(config.PolicyInitial, test.claims)
			gate, rule := gateOf(t, table)
			for _, when := range []string{"verified", "remembered"} {
				identity, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {token}}, rule)
				if got := answerOf(t, refusal); got != test.want {
					t.Errorf("%s: got %+v, want %+v", when, got, test.want)
				}
				if refusal == nil && identity == nil {
					t.Errorf("%s: no identity", when)
				}
			}
			if _, refusal := SimulatedIdentity(decodedClaims(t, payload)).Decide(t.Context(), http.Header{}, rule); answerOf(t, refusal) != test.want {
				t.Errorf("simulated: got %+v, want %+v", answerOf(t, refusal), test.want)
			}
		})
	}
}

// The reason of a refusal names what the table wants, and nothing of the token.
func TestClaimRefusalReason(t *testing.T) {
	for _, test := range []struct {
		values config.ClaimValues
		want   string
	}{
		{config.ClaimValues{"orders:write", "orders:read"}, "its claim `scope` has none of orders:read, orders:write"},
		{config.ClaimValues{"a", "b", "c", "d", "e", "f", "g"}, "its claim `scope` has none of a, b, c, d, e and 2 more"},
	} {
		gate, rule := gateOf(t, requiring(config.PolicyInitial, map[string]config.ClaimValues{"scope": test.values}))
		token := authtest.Signed(t, authtest.Claims(jwt.MapClaims{"scope": "of-the-token"}))
		_, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, rule)
		if refusal == nil || refusal.Cause == nil || refusal.Cause.Error() != test.want || refusal.AuthResult != string(ResultClaim) {
			t.Errorf("got %+v, want %s", refusal, test.want)
		}
	}
}

// The order is that of the truth table: company, role, claims.
func TestClaimsComeLast(t *testing.T) {
	table := requiring(config.PolicyStrict, map[string]config.ClaimValues{"scope": {"a"}})
	table.Routes[0].Roles = []string{"admin"}
	gate, rule := gateOf(t, table)
	for name, test := range map[string]struct {
		changes jwt.MapClaims
		want    answer
	}{
		"no company":      {jwt.MapClaims{"company_id": nil}, noFirm},
		"no role":         {jwt.MapClaims{"role": "user"}, noRole},
		"no claim":        {jwt.MapClaims{"role": "admin"}, wrongClaim},
		"with everything": {jwt.MapClaims{"role": "admin", "scope": "a"}, passes},
	} {
		token := authtest.Signed(t, authtest.Claims(test.changes))
		if _, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, rule); answerOf(t, refusal) != test.want {
			t.Errorf("%s: got %+v, want %+v", name, answerOf(t, refusal), test.want)
		}
	}
}

// With built-in users, the role is the user's, whatever list the token has.
func TestRoleListWithUsers(t *testing.T) {
	table := &config.Config{Routes: []config.Route{{Auth: config.PolicyStrict, Roles: []string{"admin"}}}}
	verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon).Keeping(ClaimsOf(table))
	for role, want := range map[string]answer{"user": noRole, "admin": passes, "user,admin": noRole, "admin,user": noRole} {
		token := authtest.Signed(t, authtest.Claims(jwt.MapClaims{"role": []string{"user", "admin"}}))
		gate := NewGate(verifier, oneUser{Active: true, CompanyID: &authtest.Acme, Role: role})
		identity, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, RuleOf(&table.Routes[0]))
		if answerOf(t, refusal) != want {
			t.Errorf("%s: got %+v, want %+v", role, answerOf(t, refusal), want)
		}
		if identity == nil || identity.Claim("role") != role || identity.Role != role {
			t.Errorf("%s: identity %+v", role, identity)
		}
	}
}

// The roles of a list count one by one, and go into a header joined by commas.
// No entry can become two roles, or something that is no role.
func TestRoleList(t *testing.T) {
	spaced := " admin"
	for name, test := range map[string]struct {
		role   any
		header string
		roles  map[string]bool // whether a route with this role lets pass
	}{
		"list":              {[]any{"user", "admin"}, "user,admin", map[string]bool{"user": true, "admin": true, "user,admin": false, "owner": false}},
		"one":               {[]any{"admin"}, "admin", map[string]bool{"admin": true}},
		"comma":             {[]any{"user,admin", "guest"}, "guest", map[string]bool{"admin": false, "user,admin": false, "guest": true}},
		"only a comma":      {[]any{","}, "", map[string]bool{"": false, ",": false}},
		"line break":        {[]any{"a\r\nX-Role: root", "guest"}, "guest", map[string]bool{"guest": true, "a\r\nX-Role: root": false}},
		"spaces at an end":  {[]any{spaced, "admin "}, "", map[string]bool{"admin": false, spaced: false}},
		"spaces within":     {[]any{"store admin"}, "store admin", map[string]bool{"store admin": true, "admin": false}},
		"numbers":           {[]any{7, true}, "7,true", map[string]bool{"7": true, "true": true}},
		"other types":       {[]any{nil, "", []any{"admin"}, map[string]any{"admin": true}}, "", map[string]bool{"admin": false, "": false}},
		"empty":             {[]any{}, "", map[string]bool{"admin": false, "": false}},
		"text with a comma": {"user,admin", "user,admin", map[string]bool{"user,admin": true, "admin": false}},
		"text with a space": {"user admin", "user admin", map[string]bool{"user admin": true, "admin": false}},
	} {
		t.Run(name, func(t *testing.T) {
			for role, want := range test.roles {
				table := &config.Config{Routes: []config.Route{{Auth: config.PolicyInitial, Roles: []string{role, "unused"}}}}
				gate, rule := gateOf(t, table)
				header := http.Header{"Authorization": {"Bearer " + authtest.Signed(t, authtest.Claims(jwt.MapClaims{"role": test.role}))}}
				for range 2 {
					_, refusal := gate.Decide(t.Context(), header, rule)
					if got := refusal == nil; got != want {
						t.Errorf("role %q: passes %v, want %v", role, got, want)
					}
				}
				who := mustVerify(t, gate.tokens, strings.TrimPrefix(header.Get("Authorization"), "Bearer "))
				if got := who.Claim("role"); got != test.header {
					t.Errorf("in a header %q, want %q", got, test.header)
				}
			}
		})
	}
}

// Our names of an issuer's claims may be paths to them.
func TestMappedPaths(t *testing.T) {
	key := authtest.NewNamedKey(t, "a")
	entry := authtest.Listed(testkit.TempFile(t, "keys", authtest.JWKS(t, key)))
	entry.Claims = map[string]string{"role": "realm_access.roles", "company_id": "org.id", "plan": "https://example.com/claims.plan"}
	table := &config.Config{Routes: []config.Route{{Auth: config.PolicyStrict, Roles: []string{"admin"}, Claims: map[string]config.ClaimValues{"plan": {"gold"}}}}}
	gate := NewGate(verifierOf(t, entry).Keeping(ClaimsOf(table)), nil)
	for name, test := range map[string]struct {
		changes jwt.MapClaims
		want    answer
	}{
		"good": {jwt.MapClaims{
			"realm_access": map[string]any{"roles": []string{"user", "admin"}}, "org": map[string]any{"id": 7}, "https://example.com/claims": map[string]any{"plan": "gold"},
		}, passes},
		"another plan": {jwt.MapClaims{
			"realm_access": map[string]any{"roles": []string{"admin"}}, "org": map[string]any{"id": 7}, "https://example.com/claims": map[string]any{"plan": "free"},
		}, wrongClaim},
		"the issuer's own claims of our names": {jwt.MapClaims{"role": "admin", "company_id": "acme", "plan": "gold"}, noFirm},
		"our names, but for the company":       {jwt.MapClaims{"role": "admin", "org": map[string]any{"id": 7}, "plan": "gold"}, noRole},
		"an object for an id":                  {jwt.MapClaims{"org": map[string]any{"id": map[string]any{}}}, wrongType},
	} {
		token := authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(test.changes), map[string]any{"kid": "a"})
		got, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, RuleOf(&table.Routes[0]))
		if answerOf(t, refusal) != test.want {
			t.Errorf("%s: got %+v, want %+v", name, answerOf(t, refusal), test.want)
		}
		if refusal == nil && (got.CompanyID != "7" || got.Claim("role") != "user,admin") {
			t.Errorf("%s: identity %+v", name, got)
		}
	}
}

// A token with thousands of values keeps those that the table lists.
func TestManyClaimValues(t *testing.T) {
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprint("group", i))
	}
	table := requiring(config.PolicyInitial, map[string]config.ClaimValues{"groups": {"group9999", "group5", "other"}, "scope": {"group7"}})
	table.Routes[0].Roles = []string{"group3"}
	claims := jwt.MapClaims{"sub": "ann", "groups": toAny(many), "scope": strings.Join(many, " "), "role": toAny(many)}
	kept := ClaimsOf(table)
	found := kept.of(claims)
	if got := found["groups"].([]string); !slices.Equal(got, []string{"group5", "group9999"}) {
		t.Errorf("groups %v", got)
	}
	if got := found["scope"].([]string); !slices.Equal(got, []string{"group7"}) {
		t.Errorf("scope %v", got)
	}
	if len(found) != 2 {
		t.Errorf("keeps %v", found)
	}
	identity, refusal := identify(claims)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if roles := kept.rolesOf(identity.roles).names; !slices.Equal(roles, []string{"group3"}) {
		t.Errorf("roles %v", roles)
	}
	if _, refusal := SimulatedIdentity(claims).Decide(t.Context(), http.Header{}, RuleOf(&table.Routes[0])); refusal != nil {
		t.Error(refusal)
	}

	// As many as a token can have.
	gate, rule := gateOf(t, table)
	token := authtest.Signed(t, authtest.Claims(jwt.MapClaims{"groups": many[:250], "scope": "group7", "role": "group3"}))
	for range 2 {
		identity, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, rule)
		if refusal != nil {
			t.Fatal(refusal)
		}
		if got := identity.claims["groups"].([]string); !slices.Equal(got, []string{"group5"}) {
			t.Errorf("keeps %v", got)
		}
	}
	expectRemembered(t, gate.tokens, "a token with many values", 1)
}

func toAny(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

// What is kept of a token decides as the token itself would, and no claim ends a
// header line or adds a role.
func FuzzClaims(f *testing.F) {
	f.Add(`{"scope":"a b"}`, "scope", "b")
	f.Add(`{"realm_access":{"roles":["x",7,true,null]}}`, "realm_access.roles", "7")
	f.Add(`{"role":["a","b,c","d\r\ne"]}`, "role", "a")
	f.Add(`{"a.b":1e3,"a":{"b":2}}`, "a.b", "1e3")
	f.Add(`{"sub":"x","email":"y z"}`, "email", "z")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		claims, decoder := map[string]any{}, json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if len(name) > 64 || decoder.Decode(&claims) != nil || value == "" {
			return
		}
		whole, refusal := identify(claims)
		if refusal != nil {
			return
		}
		table := requiring(config.PolicyInitial, map[string]config.ClaimValues{name: {value, "other"}})
		table.Routes[0].Roles = []string{value}
		inHeader := *table
		inHeader.Identity.Headers = map[string]string{"X-Claim": name}
		rule := RuleOf(&table.Routes[0])
		for _, table := range []*config.Config{table, &inHeader} {
			kept := *whole
			kept.claims, kept.roles = ClaimsOf(table).of(whole.claims), ClaimsOf(table).rolesOf(whole.roles)
			if got, want := rule.Claims[0].allows(&kept), rule.Claims[0].allows(whole); got != want {
				t.Errorf("%s: %q in %q: kept says %v, the token %v", text, value, name, got, want)
			}
			if got, want := kept.hasRole(rule.Roles), whole.hasRole(rule.Roles); got != want {
				t.Errorf("%s: role %q: kept says %v, the token %v", text, value, got, want)
			}
			if got, want := kept.Claim(name), whole.Claim(name); table == &inHeader && got != want {
				t.Errorf("%s: %q is %q, want %q", text, name, got, want)
			}
		}
		if !fitsHeader(whole.Claim(name)) {
			t.Errorf("%s: %q has the text %q", text, name, whole.Claim(name))
		}
		if whole.roles != nil {
			if split := strings.Split(whole.Claim("role"), ","); len(whole.roles.names) > 0 && !slices.Equal(split, whole.roles.names) {
				t.Errorf("%s: the header has the roles %q, the token %q", text, split, whole.roles.names)
			}
		}
	})
}
