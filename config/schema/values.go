// The schemas of plain values. Each lets ${NAME} through: what the environment
// holds is not known to an editor.

package schema

import "gatehouse/config"

// offPattern is the word that `users:` takes instead of a mapping.
const offPattern = `^(?:[Oo][Ff][Ff]|[Ff][Aa][Ll][Ss][Ee])$`

// valueSchemas are those that many keys share.
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

// textTypes are what YAML makes of text that check takes: a plain whole number
// is text as good as any.
func textTypes() []string { return []string{"string", "integer"} }

// matching is a text of one form, or a reference.
func matching(pattern string) *schema {
	return anyOf(&schema{Type: "string", Pattern: pattern}, ref("reference"))
}

// matchingToken is like exactly, for what may be written as a whole number too.
func matchingToken(pattern string, except ...string) *schema {
	s := &schema{Type: textTypes(), Pattern: pattern}
	if len(except) > 0 {
		s.Not = &schema{Enum: except}
	}
	return anyOf(s, ref("reference"))
}

// text is free text that a pattern bounds, references and all.
func text(pattern string) *schema {
	return &schema{Ref: ref("text").Ref, Pattern: pattern}
}

// oneWord is a word out of a few, which an editor offers.
func oneWord(words ...string) *schema { return anyOf(&schema{Enum: words}, ref("reference")) }

func notBlankText() *schema { return text(notBlank) }

func notEmptyText() *schema { return &schema{Ref: ref("text").Ref, MinLength: 1} }

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

// keysValue is a file, or a URL that nobody can change on the way.
func keysValue() *schema {
	return anyOf(
		&schema{Ref: ref("text").Ref, MinLength: 1, Not: &schema{Type: "string", Pattern: "://"}},
		&schema{Type: "string", Pattern: keysURL},
		ref("reference"),
	)
}

func requestValue() *schema {
	return anyOf(&schema{Type: "string", Pattern: requestPattern, Not: &schema{Pattern: `^(?:\*|CONNECT) `}}, ref("reference"))
}

// expectValue is a status or the name of a route.
func expectValue() *schema {
	return anyOf(
		&schema{Type: "integer", Minimum: new(100), Maximum: new(599)},
		&schema{Type: "string", Pattern: statusPattern},
		routeNameValue(),
	)
}

// matchedHeaderName is a header that a route may ask for: any but Host.
func matchedHeaderName() *schema {
	return &schema{Pattern: tokenPattern, Not: &schema{Pattern: unmatchedHeaderPattern()}}
}

// responseHeaderName is a header that every answer may carry.
func responseHeaderName() *schema {
	return &schema{Pattern: tokenPattern, Not: &schema{Pattern: perResponseHeaderPattern()}}
}

// identityHeaderName is a header that may carry a claim.
func identityHeaderName() *schema {
	return &schema{Pattern: tokenPattern, Not: &schema{Pattern: reservedHeaderPattern()}}
}
