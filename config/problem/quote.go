// Values as messages may show them: not too long, and without secrets.

package problem

import (
	"strconv"
	"strings"
)

// Redacted is what stands in a message for a secret.
const Redacted = "[redacted]"

// maxQuoted bounds how much of a value a message repeats, in characters.
const maxQuoted = 120

// Quote repeats a value in a message, without the passwords in it.
func Quote(text string) string { return strconv.Quote(Truncate(Redact(text))) }

// Truncate shortens what is too long for a message.
func Truncate(text string) string {
	characters := []rune(text)
	if len(characters) <= maxQuoted {
		return text
	}
	return string(characters[:maxQuoted]) + "…"
}

// Redact removes userinfo and queries from the URLs in a text, and hides what looks
// like a secret. It removes too much rather than too little: a password that nobody
// escaped may hold any character.
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

// MayContainSecret reports whether a text may hold a URL with a password, or with a
// query, where keys of an API stand, or something else that looks like a secret.
func MayContainSecret(text string) bool {
	_, rest, found := strings.Cut(text, "://")
	return found && strings.ContainsAny(rest, "@?") || DetectSecret(text) != "" || containsUserinfo(text) || ContainsSecretKey(text)
}

// containsUserinfo looks for name:password@ in a line, where a colon before a space
// is one of YAML.
func containsUserinfo(line string) bool {
	for name := range strings.SplitAfterSeq(line[:strings.LastIndexByte(line, '@')+1], " ") {
		if colon := strings.IndexByte(name, ':'); colon >= 0 && colon+1 < len(name) && name[colon+1] != ' ' {
			return true
		}
	}
	return false
}
