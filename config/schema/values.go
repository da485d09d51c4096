// This file has the schemas of plain values. Each accepts ${NAME}, because an
// editor does not know the environment.

package schema

import (
	"strconv"

	"gatehouse/config"
	"gatehouse/config/pathexp"
)

// offPattern matches the word that `users:` accepts instead of a mapping.
const offPattern = `^(?:[Oo][Ff][Ff]|[Ff][Aa][Ll][Ss][Ee])$`

// trueOrOffPattern matches the words that `compress:` accepts besides a list.
const trueOrOffPattern = `^(?:[Tt][Rr][Uu][Ee]|[Oo][Ff][Ff]|[Ff][Aa][Ll][Ss][Ee])$`

// valueSchemas returns the schemas that many keys share.
func valueSchemas() properties {
	return properties{
		{"reference", &schema{
			Description: "Text with ${NAME} or ${NAME:-default} in it; $${ is a literal ${.",
			Type:        "string",
			Pattern:     "^" + textPiece + referencePattern + textPiece + `\$*$`,
		}},
		{"text", &schema{Type: textTypes(), Pattern: "^" + textPiece + `\$*$`}},
		{"boolean", anyOf(&schema{Type: "boolean"}, &schema{Type: "string", Pattern: "^(?:true|false)$"}, ref("reference"))},
		{"duration", anyOf(&schema{Const: 0}, &schema{Type: "string", Pattern: durationPattern}, ref("reference"))},
		{"size", anyOf(&schema{Type: "integer", Minimum: new(0)}, &schema{Type: "string", Pattern: sizePattern()}, ref("reference"))},
		{"count", anyOf(&schema{Type: "integer", Minimum: new(0)}, &schema{Type: "string", Pattern: countPattern}, ref("reference"))},
		{"network", matching(networkPattern)},
		{"uuid", matching(uuidPattern)},
	}
}

// textTypes returns the YAML types of text that check accepts: a plain whole
// number is valid text, too.
func textTypes() []string { return []string{"string", "integer"} }

// matching returns a schema for text that matches a pattern, or a reference.
func matching(pattern string) *schema {
	return anyOf(&schema{Type: "string", Pattern: pattern}, ref("reference"))
}

// matchingToken is like matching, for values that may also be a whole number.
func matchingToken(pattern string, except ...string) *schema {
	s := &schema{Type: textTypes(), Pattern: pattern}
	if len(except) > 0 {
		s.Not = &schema{Enum: except}
	}
	return anyOf(s, ref("reference"))
}

// text returns a schema for free text that matches a pattern, references
// included.
func text(pattern string) *schema {
	return &schema{Ref: ref("text").Ref, Pattern: pattern}
}

// oneWord returns a schema for one of a few words, which an editor offers.
func oneWord(words ...string) *schema { return anyOf(&schema{Enum: words}, ref("reference")) }

// switchValue returns a schema for true or false, which may also be written off.
func switchValue() *schema {
	return anyOf(ref("boolean"), &schema{Type: "string", Pattern: `^[Oo][Ff][Ff]$`})
}

// rewriteFromValue returns a schema for an expression of a rewrite.
func rewriteFromValue() *schema {
	return anyOf(&schema{Type: "string", MinLength: 1, MaxLength: pathexp.MaxLength}, ref("reference"))
}

func notBlankText() *schema { return text(notBlank) }

func notEmptyText() *schema { return &schema{Ref: ref("text").Ref, MinLength: 1} }

func prefixValue() *schema { return matching(prefixPattern) }

func policyValue() *schema {
	return oneWord(string(config.PolicyStrict), string(config.PolicyInitial), string(config.PolicyOptional), string(config.PolicyNone))
}

func routeNameValue() *schema {
	return anyOf(&schema{Type: "string", Pattern: namePattern, MaxLength: config.MaxName}, ref("reference"))
}

func methodValue() *schema {
	return anyOf(
		&schema{Enum: config.MethodNames()},
		&schema{Type: textTypes(), Pattern: methodPattern, Not: &schema{Enum: []string{"*", "CONNECT", "TRACE", "TRACK"}}},
		ref("reference"),
	)
}

func upgradeValue() *schema {
	return anyOf(
		&schema{Enum: []string{"websocket"}},
		&schema{Type: textTypes(), Pattern: upgradePattern, Not: &schema{Enum: append(config.RequestProtocols(), "*")}},
		ref("reference"),
	)
}

func originValue() *schema {
	return anyOf(&schema{Type: "string", Pattern: originPattern, Not: &schema{Pattern: originUsualPort}}, ref("reference"))
}

// keysValue returns a schema for a file, or for a URL that nobody can change in
// transit.
func keysValue() *schema {
	return anyOf(
		&schema{Ref: ref("text").Ref, MinLength: 1, Not: &schema{Type: "string", Pattern: "://"}},
		&schema{Type: "string", Pattern: keysURL},
		ref("reference"),
	)
}

// claimValues returns a schema for the values of a claim: one, or a list of
// them.
func claimValues() *schema {
	value := anyOf(text(notBlank), &schema{Type: []string{"boolean", "number"}})
	return anyOf(value, &schema{Type: "array", Items: value, MinItems: 1, UniqueItems: true})
}

// addressSetValue returns a schema for a set of addresses: its networks, alone or
// in a mapping that may share them.
func addressSetValue() *schema {
	networks := &schema{Type: "array", Items: ref("network"), MinItems: 1}
	return anyOf(networks, &schema{
		Type: "object", Properties: properties{{"networks", networks}, {"share", ref("boolean")}},
		Required: []string{"networks"}, AdditionalProperties: false,
	})
}

// addressValue returns a schema for a network, an address or the name of a set.
func addressValue() *schema {
	return anyOf(&schema{Type: "string", Pattern: networkPattern}, &schema{Type: "string", Pattern: addressSetPattern}, ref("reference"))
}

func requestValue() *schema {
	return anyOf(&schema{Type: "string", Pattern: requestPattern, Not: &schema{Pattern: `^(?:\*|CONNECT) `}}, ref("reference"))
}

// expectValue returns a schema for a status or the name of a route.
func expectValue() *schema {
	return anyOf(
		&schema{Type: "integer", Minimum: new(200), Maximum: new(599)},
		&schema{Type: "string", Pattern: answerStatusPattern},
		routeNameValue(),
	)
}

// answerStatusValue returns a schema for the status of a final answer.
func answerStatusValue() *schema {
	return anyOf(&schema{Type: "integer", Minimum: new(200), Maximum: new(599)}, &schema{Type: "string", Pattern: answerStatusPattern}, ref("reference"))
}

// answerHeaderName returns a schema for a header that a fixed answer may have.
func answerHeaderName() *schema {
	return &schema{Pattern: tokenPattern, Not: &schema{Pattern: fixedAnswerHeaderPattern()}}
}

// redirectStatusValue returns a schema for the status of a redirect.
func redirectStatusValue() *schema {
	var texts []string
	var statuses []*schema
	for _, status := range config.RedirectStatuses() {
		statuses = append(statuses, &schema{Const: status})
		texts = append(texts, strconv.Itoa(status))
	}
	return anyOf(append(statuses, &schema{Enum: texts}, ref("reference"))...)
}

// matchedHeaderName returns a schema for a header that a route may match: any
// but Host.
func matchedHeaderName() *schema {
	return &schema{Pattern: tokenPattern, Not: &schema{Pattern: unmatchedHeaderPattern()}}
}

// requestHeaderName returns a schema for a header of requests that a route may change. except
// are folded names.
func requestHeaderName(except ...string) *schema {
	return &schema{Pattern: tokenPattern, Not: &schema{Pattern: unchangedHeaderPattern(except...)}}
}

// responseHeaderName returns a schema for a header that every answer may have.
func responseHeaderName() *schema {
	return &schema{Pattern: tokenPattern, Not: &schema{Pattern: perResponseHeaderPattern()}}
}

// identityHeaderName returns a schema for a header that may carry a claim.
func identityHeaderName() *schema {
	return &schema{Pattern: tokenPattern, Not: &schema{Pattern: reservedHeaderPattern()}}
}
