// This file prepares values for messages: bounded, and without secrets.

package problem

import (
	"strconv"
	"strings"
)

// Redacted replaces a secret in a message.
const Redacted = "[redacted]"

// maxQuoted bounds how much of a value a message repeats, in characters.
const maxQuoted = 120

// Quote returns a value for a message, quoted and without passwords.
func Quote(text string) string { return strconv.Quote(Truncate(Redact(text))) }

// Truncate shortens a text that is too long for a message.
func Truncate(text string) string {
	characters := []rune(text)
	if len(characters) <= maxQuoted {
		return text
	}
	return string(characters[:maxQuoted]) + "…"
}

// Redact removes userinfo and queries from the URLs in a text, and hides what
// looks like a secret. It may remove too much: an unescaped password can
// contain any character.
func Redact(text string) string {
	if DetectSecret(text) != "" {
		return Redacted
	}
	start := strings.Index(text, "://")
	if start < 0 {
		if end := strings.LastIndexByte(text, '@'); end > 0 && strings.Contains(text[:end], ":") {
			return Redacted + text[end:]
		}
		return text
	}
	start += len("://")
	if end := strings.LastIndexByte(text, '@'); end > start {
		text = text[:start] + Redacted + text[end:]
	}
	if query := strings.IndexByte(text[start:], '?'); query >= 0 {
		text = text[:start+query] + "?…"
	}
	return text
}

// MayContainSecret reports whether a text may contain a secret: a URL with a
// password, a URL with a query (which may contain an API key), or anything else
// that looks like a secret.
func MayContainSecret(text string) bool {
	_, rest, found := strings.Cut(text, "://")
	return found && strings.ContainsAny(rest, "@?") || DetectSecret(text) != "" || containsUserinfo(text) || ContainsSecretKey(text)
}

// containsUserinfo reports whether a line contains name:password@. A colon
// before a space does not count, because it is YAML.
func containsUserinfo(line string) bool {
	for name := range strings.SplitAfterSeq(line[:strings.LastIndexByte(line, '@')+1], " ") {
		if colon := strings.IndexByte(name, ':'); colon >= 0 && colon+1 < len(name) && name[colon+1] != ' ' {
			return true
		}
	}
	return false
}
