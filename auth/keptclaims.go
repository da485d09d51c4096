package auth

// This file finds a claim by its name, and decides which claims of a verified
// token stay in memory.

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"gatehouse/config"
)

// findClaim returns the claim of that name. A name may be the path of a claim
// inside others, with dots between the parts: realm_access.roles. A claim may
// itself have a dot in its name, such as https://example.com/roles. So the
// longest part of the name that is a claim counts first: the whole name, and
// then shorter parts in which the rest is looked up. The result is nil for a
// claim that is absent or null.
func findClaim(claims map[string]any, name string) any {
	if value, present := claims[name]; present {
		return value
	}
	for i := len(name) - 1; i > 0; i-- {
		if name[i] != '.' {
			continue
		}
		if inner, isObject := claims[name[:i]].(map[string]any); isObject {
			if value := findClaim(inner, name[i+1:]); value != nil {
				return value
			}
		}
	}
	return nil
}

// claimText returns the value of a claim as text: text as it is, a number digit
// by digit, a boolean as true or false. It returns "" for any other claim, and
// for text that no header can carry.
func claimText(value any) string {
	if text := plainText(value); fitsHeader(text) {
		return text
	}
	return ""
}

// KeptClaims are the names of the claims that a table uses, besides sub,
// company_id, email and role, which every Identity has. It is immutable.
//
// A token may have thousands of claims and values, and the gateway remembers
// tokens. So an Identity keeps only these claims. Of a claim that no header
// carries, it keeps only those values that a route lists.
type KeptClaims struct {
	uses  map[string]claimUse
	roles map[string]string // the roles that routes list, by themselves
}

// claimUse is how a table uses a claim.
type claimUse struct {
	inHeader bool
	listed   map[string]string // the values that routes list, by themselves
}

// ClaimsOf returns the claims that a table uses. Whoever adds a use of claims to
// a table adds their names to config.Config.HeaderClaims.
func ClaimsOf(table *config.Config) *KeptClaims {
	kept := &KeptClaims{uses: map[string]claimUse{}, roles: map[string]string{}}
	for _, name := range table.HeaderClaims() {
		kept.uses[name] = claimUse{inHeader: true}
	}
	for i := range table.Routes {
		for _, role := range table.Routes[i].Roles {
			kept.roles[role] = role
		}
		for name, values := range table.Routes[i].Claims {
			use := kept.uses[name]
			if use.listed == nil {
				use.listed = map[string]string{}
				kept.uses[name] = use
			}
			for _, value := range values {
				use.listed[value] = value
			}
		}
	}
	maps.Copy(kept.roles, kept.uses["role"].listed)
	return kept
}

// of returns the claims of a token that an Identity keeps, by their whole
// names. Nil KeptClaims keep each top-level claim that a header can carry.
func (k *KeptClaims) of(claims map[string]any) map[string]any {
	kept := map[string]any{}
	if k == nil {
		for name, value := range claims {
			if isPlain(value) {
				kept[name] = value
			}
		}
		return kept
	}
	for name, use := range k.uses {
		value := findClaim(claims, name)
		if use.inHeader && isPlain(value) {
			kept[name] = value
		} else if listed := listedIn(value, use.listed); len(listed) > 0 {
			kept[name] = listed
		}
	}
	return kept
}

// rolesOf returns the roles of a token with the names of those only that routes
// list.
func (k *KeptClaims) rolesOf(roles *roleList) *roleList {
	if k == nil || roles == nil {
		return roles
	}
	kept := &roleList{joined: roles.joined}
	for _, role := range roles.names {
		if role, listed := k.roles[role]; listed && !slices.Contains(kept.names, role) {
			kept.names = append(kept.names, role)
		}
	}
	return kept
}

// listedIn returns the values of a claim that are listed, once each. They are
// the texts of the list, so that nothing of the token stays in memory. The
// values are those that ClaimRule.allows compares.
func listedIn(claim any, listed map[string]string) []string {
	if len(listed) == 0 {
		return nil
	}
	var found []string
	add := func(text string) {
		if value, present := listed[text]; present && !slices.Contains(found, value) {
			found = append(found, value)
		}
	}
	switch claim := claim.(type) {
	case string:
		add(claim)
		for word := range strings.SplitSeq(claim, " ") {
			add(word)
		}
	case []any:
		for _, entry := range claim {
			add(plainText(entry))
		}
	default:
		add(plainText(claim))
	}
	return found
}

// isPlain reports whether the claim has a text; see claimText.
func isPlain(claim any) bool {
	switch claim.(type) {
	case string, json.Number, bool:
		return true
	}
	return false
}
