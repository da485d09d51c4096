package auth

import (
	"encoding/json"
	"net/http"
	"testing"

	"gatehouse/config"
)

// TestSimulatedCallers decides about callers of `tests:` as the Gate would about tokens with
// their claims.
func TestSimulatedCallers(t *testing.T) {
	t.Parallel()
	admins := Rule{Policy: config.PolicyStrict, Roles: []string{"admin"}}
	for name, test := range map[string]struct {
		caller config.Caller
		rule   Rule
		status int    // 0 when the caller passes
		claim  string // the claim `plan` of a caller that passes
	}{
		"member":                {config.Caller{Name: config.CallerMember}, Rule{Policy: config.PolicyStrict}, 0, ""},
		"member without a role": {config.Caller{Name: config.CallerMember}, admins, http.StatusForbidden, ""},
		"newcomer":              {config.Caller{Name: config.CallerNewcomer}, Rule{Policy: config.PolicyStrict}, http.StatusForbidden, ""},
		"anonymous":             {config.Caller{Name: config.CallerAnonymous}, Rule{Policy: config.PolicyInitial}, http.StatusUnauthorized, ""},
		"admin":                 {config.Caller{Roles: []string{"admin"}}, admins, 0, ""},
		"admin without company": {config.Caller{Roles: []string{"admin"}, Company: config.NoCompany}, admins, http.StatusForbidden, ""},
		"claims":                {config.Caller{Claims: config.Claims{"plan": json.Number("7")}}, Rule{Policy: config.PolicyStrict}, 0, "7"},
		"no subject":            {config.Caller{Claims: config.Claims{"sub": ""}}, Rule{Policy: config.PolicyInitial}, http.StatusUnauthorized, ""},
		"subject of no type":    {config.Caller{Claims: config.Claims{"sub": true}}, Rule{Policy: config.PolicyInitial}, http.StatusUnauthorized, ""},
	} {
		identity, refusal := Simulated(&test.caller).Decide(t.Context(), http.Header{}, test.rule)
		switch {
		case refusal != nil && refusal.Status != test.status:
			t.Errorf("%s: %v", name, refusal)
		case refusal == nil && (test.status != 0 || identity.Claim("plan") != test.claim):
			t.Errorf("%s: passed with plan %q", name, identity.Claim("plan"))
		}
	}
	if acme := simulatedIdentity(&config.Caller{Company: "acme"}); acme["company_id"] != "acme" || personas["member"]["company_id"] != simulatedCompany {
		t.Errorf("company: %v", acme)
	}
}
