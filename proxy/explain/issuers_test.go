package explain

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const issuersTable = `
users: off
tokens:
  - {issuer: "https://login.example.com/", keys: "https://login.example.com/keys?secret", audience: [shop, admin], algorithms: [RS256, ES256], claims: {company_id: org_id}}
routes: [{name: root, prefix: /, backend: "http://site"}]
`

// TestCompareIssuers makes one edit of an issuer at a time.
func TestCompareIssuers(t *testing.T) {
	t.Parallel()
	const of = "tokens of https://login.example.com/"
	const other = "\n  - {issuer: other, keys: other.pem, algorithms: [RS256]}\nroutes:"
	for name, test := range map[string]struct {
		old, now string
		want     Diff
	}{
		"a longer leeway":            {"claims:", "leeway: 1m, claims:", Diff{Weaker: []string{of + ": leeway: 30s → 1m0s"}}},
		"no leeway":                  {"claims:", "leeway: 0, claims:", Diff{Changed: []string{of + ": leeway: 30s → 0s"}}},
		"the default leeway":         {"claims:", "leeway: 30s, claims:", Diff{}},
		"another audience":           {"[shop, admin]", "[shop, admin, api]", Diff{Weaker: []string{of + ": audience: admin or shop → admin or api or shop"}}},
		"any audience":               {"audience: [shop, admin], ", "", Diff{Weaker: []string{of + ": audience: admin or shop → any"}}},
		"a narrower audience":        {"[shop, admin]", "shop", Diff{Changed: []string{of + ": audience: admin or shop → shop"}}},
		"audiences in another order": {"[shop, admin]", "[admin, shop]", Diff{}},
		"another algorithm":          {"[RS256, ES256]", "[RS256, ES256, PS256]", Diff{Weaker: []string{of + ": algorithms: RS256 ES256 → RS256 ES256 PS256"}}},
		"an algorithm less":          {"[RS256, ES256]", "[RS256]", Diff{Changed: []string{of + ": algorithms: RS256 ES256 → RS256"}}},
		"other keys":                 {"/keys?secret", "/new?secret", Diff{Weaker: []string{of + ": keys: https://login.example.com/keys → https://login.example.com/new"}}},
		"another meaning":            {"org_id", "org.id", Diff{Weaker: []string{of + ": claims: company_id=org_id → company_id=org.id"}}},
		"another issuer":             {"\nroutes:", other, Diff{Weaker: []string{"tokens of other: (none) → keys other.pem, audience any, RS256"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(issuersTable, test.old) {
				t.Fatalf("the table has no %q", test.old)
			}
			before, after := compile(t, issuersTable, ""), compile(t, strings.Replace(issuersTable, test.old, test.now, 1), "")
			if diff := cmp.Diff(test.want, Compare(before, after), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if name == "another issuer" {
				want := Diff{Changed: []string{"tokens of other: keys other.pem, audience any, RS256 → (none)"}}
				if diff := cmp.Diff(want, Compare(after, before), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("the other way (-want +got):\n%s", diff)
				}
			}
		})
	}
}
