// This file has the rules about who may pass a route: its policy, and the roles
// that it requires.

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
	return problem.OneOf("policy", policy, policies...)
}

// roles checks that a route requires roles only when it requires an identity.
func (v *validator) roles(field *yamldoc.Field, route *Route) {
	if !route.Auth.IsOpen() || len(route.Roles) == 0 {
		return
	}
	reason := "need a policy: with `auth: none` the caller's role is unknown"
	if route.Auth == PolicyOptional {
		reason = "need another policy: with `auth: optional` a caller without a token passes, who has no role"
	}
	if field.Given("roles") {
		field.Forbid("roles", reason, "use auth: initial or strict")
		return
	}
	field.FailAt("auth", "the roles in `defaults:` "+reason, "write `roles: []` here to let every caller pass")
}
