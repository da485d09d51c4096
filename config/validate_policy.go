// This file has the rules about who may pass a route: its policy, and the roles
// and claims that it requires.

package config

import (
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// policyRule checks a policy. The word off could mean any policy.
func policyRule(policy string) *problem.Fault {
	policies := []string{string(PolicyStrict), string(PolicyInitial), string(PolicyOptional), string(PolicyNone)}
	if slices.Contains([]string{"off", "no", "false", "n", "on", "yes", "true", "y"}, strings.ToLower(policy)) {
		return &problem.Fault{Reason: "unknown policy", Hint: "one of " + strings.Join(policies, ", ")}
	}
	if strings.EqualFold(policy, "basic") {
		return &problem.Fault{Reason: "unknown policy", Hint: "write auth: none and basic: internal.htpasswd; `htpasswd -B` writes the file"}
	}
	return problem.OneOf("policy", policy, policies...)
}

// claimValues checks the claims that a route requires.
func (v *validator) claimValues(field *yamldoc.Field, route *Route) {
	if route.Handler != "" {
		return // it must not have claims
	}
	claims := field.Get("claims")
	for name, given := range claims.Keys() {
		if f := claimNameRule(name); f != nil {
			given.RejectKey(f)
			continue
		}
		values := route.Claims[name]
		switch {
		case !given.Valid():
		case len(values) == 0:
			given.Fail("is empty", "list the values of which the token must have one")
		case given.IsPlain():
			claims.Check(name, values[0], claimValueRule)
		default:
			claims.CheckEach(name, values, claimValueRule)
		}
	}
}

func claimValueRule(value string) *problem.Fault {
	if strings.TrimSpace(value) == "" {
		return &problem.Fault{Reason: "is empty"}
	}
	return nil
}

// known checks that a route requires roles and claims only when every caller is
// known.
func (v *validator) known(field *yamldoc.Field, route *Route) {
	if !route.Auth.IsOpen() {
		return
	}
	for _, required := range []struct {
		key, unknown, missing, undo string
		given                       bool
	}{
		{"roles", "the caller's role is unknown", "who has no role", "roles: []", len(route.Roles) > 0},
		{"claims", "no token is read", "who has no claims", "claims: {}", len(route.Claims) > 0},
	} {
		if !required.given {
			continue
		}
		reason := "need a policy: with `auth: none` " + required.unknown
		if route.Auth == PolicyOptional {
			reason = "need another policy: with `auth: optional` a caller without a token passes, " + required.missing
		}
		if field.Given(required.key) {
			field.Forbid(required.key, reason, "use auth: initial or strict")
			continue
		}
		field.FailAt("auth", "the "+required.key+" in `defaults:` "+reason, "write `"+required.undo+"` here to let every caller pass")
	}
}
