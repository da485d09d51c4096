package auth

// This file has the rules of routes, and whether a known caller meets one.

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/config"
	"gatehouse/internal/httperr"
)

// Rule is what a route or a built-in endpoint requires of a request.
type Rule struct {
	Policy config.Policy
	Roles  []string    // the user must have one of them; empty allows every role
	Claims []ClaimRule // the token must meet all of them
}

// RuleOf returns the rule of a route.
func RuleOf(route *config.Route) Rule {
	rule := Rule{Policy: route.Auth, Roles: route.Roles}
	for _, name := range slices.Sorted(maps.Keys(route.Claims)) {
		rule.Claims = append(rule.Claims, ClaimRule{Name: name, Values: slices.Sorted(slices.Values(route.Claims[name]))})
	}
	return rule
}

// ClaimRule requires a claim to have one of some values.
type ClaimRule struct {
	Name   string   // as for Identity.Claim
	Values []string // sorted
}

// needsIdentity reports whether the rule looks at the credential of a request.
// An unknown policy refuses every request.
func (rule Rule) needsIdentity() (bool, *httperr.Error) {
	switch rule.Policy {
	case config.PolicyNone:
		return false, nil
	case config.PolicyOptional, config.PolicyInitial, config.PolicyStrict:
		return true, nil
	}
	return false, StoreUnavailable.Because(errors.New("unknown policy " + string(rule.Policy)))
}

// allowsAnonymous reports whether a caller without any credential passes. A
// table with such a rule has neither roles nor claims; if there were any, the
// caller would not have them.
func (rule Rule) allowsAnonymous() bool {
	return rule.Policy == config.PolicyOptional && len(rule.Roles) == 0 && len(rule.Claims) == 0
}

// authorize checks a known caller against the rule: the last rows of the table.
func (rule Rule) authorize(identity *Identity) *httperr.Error {
	if identity.CompanyID == "" && rule.Policy == config.PolicyStrict {
		return refuseNoCompany
	}
	if !identity.hasRole(rule.Roles) {
		return refuseRole
	}
	for i := range rule.Claims {
		if claim := &rule.Claims[i]; !claim.allows(identity) {
			return refuseClaim.Because(claim.unmet())
		}
	}
	return nil
}

// allows reports whether the identity's claim has one of the values.
func (c *ClaimRule) allows(identity *Identity) bool {
	if c.Name == "role" {
		return len(c.Values) > 0 && identity.hasRole(c.Values)
	}
	if text, own := identity.ownClaim(c.Name); own {
		return c.hasWord(text)
	}
	switch value := findClaim(identity.claims, c.Name).(type) {
	case string:
		return c.hasWord(value)
	case []string: // as keptClaims keeps it
		return slices.ContainsFunc(value, c.has)
	case []any:
		for _, entry := range value {
			if text := plainText(entry); text != "" && c.has(text) {
				return true
			}
		}
		return false
	default:
		text := plainText(value)
		return text != "" && c.has(text)
	}
}

// has reports whether the text is one of the values.
func (c *ClaimRule) has(text string) bool {
	_, found := slices.BinarySearch(c.Values, text)
	return found
}

// hasWord reports whether the text, or one of its words, is one of the values.
// Scopes are words with a space between them (RFC 6749 section 3.3).
func (c *ClaimRule) hasWord(text string) bool {
	if text == "" {
		return false
	}
	if c.has(text) {
		return true
	}
	for word, rest := "", text; rest != ""; {
		if word, rest, _ = strings.Cut(rest, " "); word != "" && c.has(word) {
			return true
		}
	}
	return false
}

// maxNamed is how many values the reason of a refusal names.
const maxNamed = 5

// unmet returns the reason why a token does not meet the rule. It names the
// values of the table, and nothing of the token.
func (c *ClaimRule) unmet() error {
	values, more := c.Values, ""
	if len(values) > maxNamed {
		values, more = values[:maxNamed], fmt.Sprintf(" and %d more", len(values)-maxNamed)
	}
	return errors.New("its claim `" + c.Name + "` has none of " + strings.Join(values, ", ") + more)
}

// plainText returns a text, a number or a boolean as text, and "" for any other
// value of a claim.
func plainText(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		if value {
			return "true"
		}
		return "false"
	}
	return ""
}
