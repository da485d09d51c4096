// This file parses the values of `request_headers` and `response_headers`: text with
// placeholders.

package config

import (
	"slices"
	"strings"

	"gatehouse/config/problem"
)

// The placeholders in values of headers, besides PlaceholderHost and {claim.NAME}.
const (
	PlaceholderClientIP  = "{client_ip}"  // the address of the client, behind trusted proxies
	PlaceholderRequestID = "{request_id}" // the X-Request-ID
	PlaceholderRoute     = "{route}"      // the name of the route
)

// claimPrefix begins the placeholder of a claim.
const claimPrefix = "{claim."

// Lists of the placeholders, for hints.
const (
	requestPlaceholders = "{client_ip}, {request_id}, {host}, {route} and {claim.NAME}"
	answerPlaceholders  = "{client_ip}, {request_id}, {host} and {route}"
)

// HeaderValue is the value of a header, with placeholders. {{ and }} stand for one brace
// each. The braces of a variable's value are doubled, so that they begin no placeholder.
type HeaderValue string

// LiteralHeader returns the value that stands for a text without placeholders.
func LiteralHeader(text string) HeaderValue {
	return HeaderValue(strings.NewReplacer("{", "{{", "}", "}}").Replace(text))
}

// EscapeVariable implements yamldoc.VariableEscaper.
func (HeaderValue) EscapeVariable(value string) string { return string(LiteralHeader(value)) }

// HeaderPart is one part of a HeaderValue: text, a claim or another placeholder. The
// other two fields are "".
type HeaderPart struct {
	Text        string
	Claim       string // the name in {claim.NAME}
	Placeholder string // such as PlaceholderRoute
}

// Parts returns the parts of a valid value. Neighboring texts are one part.
func (v HeaderValue) Parts() []HeaderPart {
	parts, _ := v.parse("")
	return parts
}

// parse returns the parts of a value, or what is wrong with it. placeholders is the list
// for a hint.
func (v HeaderValue) parse(placeholders string) (parts []HeaderPart, f *problem.Fault) {
	var literal strings.Builder
	for rest := string(v); rest != ""; {
		at := strings.IndexAny(rest, "{}")
		if at < 0 {
			literal.WriteString(rest)
			break
		}
		literal.WriteString(rest[:at])
		rest = rest[at:]
		if len(rest) > 1 && rest[1] == rest[0] {
			literal.WriteByte(rest[0])
			rest = rest[2:]
			continue
		}
		end := strings.IndexByte(rest, '}') + 1
		if rest[0] == '}' || end == 0 {
			return nil, &problem.Fault{Reason: "has a brace without its other one", Hint: "a literal brace is written twice: {{ or }}"}
		}
		part, known := placeholder(rest[:end])
		if !known {
			return nil, &problem.Fault{
				Reason: "has an unknown placeholder " + problem.Quote(rest[:end]),
				Hint:   "there are " + placeholders + "; a literal brace is written twice: {{ or }}",
			}
		}
		if literal.Len() > 0 {
			parts = append(parts, HeaderPart{Text: literal.String()})
			literal.Reset()
		}
		parts = append(parts, part)
		rest = rest[end:]
	}
	if literal.Len() > 0 {
		parts = append(parts, HeaderPart{Text: literal.String()})
	}
	return parts, nil
}

// placeholder returns the part that a text in braces stands for.
func placeholder(text string) (part HeaderPart, known bool) {
	if slices.Contains([]string{PlaceholderClientIP, PlaceholderRequestID, PlaceholderHost, PlaceholderRoute}, text) {
		return HeaderPart{Placeholder: text}, true
	}
	name, found := strings.CutPrefix(text, claimPrefix)
	name = strings.TrimSuffix(name, "}")
	return HeaderPart{Claim: name}, found && name != "" && !strings.ContainsAny(name, "{ ")
}
