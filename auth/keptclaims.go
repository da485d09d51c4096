package auth

// This file finds a claim by its name, and decides which claims of a verified
// token stay in memory.

import (
	"encoding/json"
	"strconv"

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
	switch value := value.(type) {
	case string:
		if fitsHeader(value) {
			return value
		}
	case json.Number:
		return value.String()
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

// KeptClaims are the names of the claims that a table uses, besides sub,
// company_id, email and role, which every Identity has. It is immutable.
//
// A token may have thousands of claims, and the gateway remembers tokens. So an
// Identity keeps only these claims.
type KeptClaims struct {
	texts map[string]bool // names of claims whose text a header carries
}

// ClaimsOf returns the claims that a table uses. Whoever adds a use of claims to
// a table adds their names to config.Config.HeaderClaims.
func ClaimsOf(table *config.Config) *KeptClaims {
	kept := &KeptClaims{texts: map[string]bool{}}
	for _, name := range table.HeaderClaims() {
		kept.texts[name] = true
	}
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
	for name := range k.texts {
		if value := findClaim(claims, name); isPlain(value) {
			kept[name] = value
		}
	}
	return kept
}

// isPlain reports whether the claim has a text; see claimText.
func isPlain(claim any) bool {
	switch claim.(type) {
	case string, json.Number, bool:
		return true
	}
	return false
}
