// This file matches origins that may call from a browser, exactly or by
// pattern.

package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gatehouse/config/problem"
)

// OriginPattern matches the Origin header of a request. The zero value matches
// nothing.
type OriginPattern struct {
	text       string
	any        bool
	expression *regexp.Regexp // nil when the pattern is compared exactly
}

// maxOrigin bounds an origin and a pattern, in bytes. A host name has at most
// 253.
const maxOrigin = 300

// CompileOrigin compiles an entry of `cors.origins`: an exact origin, a pattern,
// or "*" alone, which matches every origin. In a pattern, `*` matches one or more
// letters, digits and hyphens, and `[0-9]` matches one character of a class.
func CompileOrigin(pattern string) (OriginPattern, error) {
	if f := originRule(pattern); f != nil {
		return OriginPattern{}, fmt.Errorf("compile origin %s: %s", problem.Quote(pattern), f.Reason)
	}
	if pattern == "*" {
		return OriginPattern{text: pattern, any: true}, nil
	}
	if !isOriginPattern(pattern) {
		return OriginPattern{text: pattern}, nil
	}
	source, err := originExpression(pattern)
	if err != nil {
		return OriginPattern{}, fmt.Errorf("compile origin %s: %w", problem.Quote(pattern), err)
	}
	// RE2 runs in linear time for every pattern.
	expression, err := regexp.Compile(source)
	if err != nil {
		return OriginPattern{}, fmt.Errorf("compile origin %s: %w", problem.Quote(pattern), err)
	}
	return OriginPattern{text: pattern, expression: expression}, nil
}

// Match reports whether the pattern matches an origin, such as
// "https://app.example.com". No pattern matches an empty or too long origin.
func (p OriginPattern) Match(origin string) bool {
	switch {
	case origin == "" || len(origin) > maxOrigin:
		return false
	case p.any:
		return true
	case p.expression != nil:
		return p.expression.MatchString(origin)
	default:
		return origin == p.text
	}
}

// Any reports whether the pattern is "*", which matches every origin.
func (p OriginPattern) Any() bool { return p.any }

// String returns the pattern as it was written.
func (p OriginPattern) String() string { return p.text }

// isOriginPattern reports whether an origin has a `*` or a class. The brackets
// of an IPv6 address are not a class.
func isOriginPattern(origin string) bool {
	return strings.Contains(origin, "*") || strings.Contains(withoutAddress(origin), "[")
}

// withoutAddress returns an origin without its IPv6 address in brackets.
func withoutAddress(origin string) string {
	scheme, rest, _ := strings.Cut(origin, "://")
	inner, after, closed := strings.Cut(strings.TrimPrefix(rest, "["), "]")
	if _, ok := ipv6Literal("[" + inner + "]"); ok && closed && strings.HasPrefix(rest, "[") {
		return scheme + "://" + after
	}
	return origin
}

// originExpression returns a regular expression that matches whole origins. A
// `*` matches no dot, colon or slash, so it stays within its label.
func originExpression(pattern string) (string, error) {
	var b strings.Builder
	b.WriteString(`\A`)
	if bare := withoutAddress(pattern); bare != pattern {
		at := strings.Index(pattern, "]") + 1
		b.WriteString(regexp.QuoteMeta(pattern[:at]))
		pattern = pattern[at:]
	}
	for pattern != "" {
		switch pattern[0] {
		case '*':
			b.WriteString(`[A-Za-z0-9-]+`)
			pattern = pattern[1:]
		case '[':
			class, rest, err := originClass(pattern)
			if err != nil {
				return "", err
			}
			b.WriteString(class)
			pattern = rest
		default:
			b.WriteString(regexp.QuoteMeta(pattern[:1]))
			pattern = pattern[1:]
		}
	}
	b.WriteString(`\z`)
	return b.String(), nil
}

// originClass parses a class such as [0-9] or [abx-z] at the beginning of a
// pattern. It returns the class as a regular expression, and the rest.
func originClass(pattern string) (class, rest string, err error) {
	inner, rest, closed := strings.Cut(pattern[1:], "]")
	if !closed {
		return "", "", errors.New("a `[` is not closed")
	}
	if inner == "" {
		return "", "", errors.New("`[]` matches nothing")
	}
	for i := 0; i < len(inner); i++ {
		if !isAlphanumeric(inner[i]) {
			return "", "", fmt.Errorf("a class may have letters, digits and ranges of them, not %s", problem.Quote(inner[i:i+1]))
		}
		if i+2 < len(inner) && inner[i+1] == '-' {
			if !sameKind(inner[i], inner[i+2]) || inner[i] > inner[i+2] {
				return "", "", fmt.Errorf("%s is not a range", problem.Quote(inner[i:i+3]))
			}
			i += 2
		}
	}
	return "[" + inner + "]", rest, nil
}

// sameKind reports whether two characters are both digits, both upper case letters
// or both lower case ones.
func sameKind(a, b byte) bool {
	both := func(first, last byte) bool { return first <= a && a <= last && first <= b && b <= last }
	return both('0', '9') || both('a', 'z') || both('A', 'Z')
}
