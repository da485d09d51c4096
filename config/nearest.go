// Finding the word an operator probably meant.

package config

import (
	"slices"
	"strings"
)

// DidYouMean is the hint for a word that somebody typed on a command line, or ""
// when none of the known ones is near enough.
func DidYouMean(word string, known []string) string { return didYouMean(word, known) }

// didYouMean is the hint for a word that is not one of the known ones, or ""
// when none is near enough.
func didYouMean(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return "did you mean " + quote(near) + "?"
	}
	return ""
}

// keyHint is the hint for a key that is not one of the known ones: what it may
// have been meant for, or where else it belongs.
func keyHint(key string, known []string) string {
	other := map[string]string{
		"path": "prefix", "url": "backend", "target": "backend", "upstream": "backend", "service": "backend",
		"policy": "auth", "host": "hosts", "method": "methods", "header": "headers", "role": "roles",
	}[normalizeWord(key)]
	if slices.Contains(known, other) {
		return "did you mean " + quote(other) + "?"
	}
	if hint := didYouMean(key, known); hint != "" {
		return hint
	}
	switch normalizeWord(key) {
	case "listen", "port", "address", "ops_listen", "listeners":
		return "a table does not move the listeners: GATEWAY_LISTEN and GATEWAY_OPS_LISTEN do, at the start"
	case "database", "database_url", "secret", "jwt_secret", "log_level":
		return "this is a setting of the process: see GATEWAY_* in docs/settings.md"
	}
	return ""
}

// nearest returns the known word within two edits of word, or "". Case and the
// choice of hyphen or underscore count for nothing.
func nearest(word string, known []string) string {
	const maxDistance = 2
	if len(word) > 64 {
		return ""
	}
	best, bestDistance := "", maxDistance+1
	for _, candidate := range known {
		distance := editDistance(normalizeWord(word), normalizeWord(candidate))
		// Two edits make any two-letter word out of any other.
		if distance < bestDistance && distance*2 <= len(candidate) {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

func normalizeWord(word string) string { return strings.ReplaceAll(strings.ToLower(word), "-", "_") }

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that make b out of a (optimal string alignment).
func editDistance(a, b string) int {
	var before []int
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current := make([]int, len(b)+1)
		current[0] = i
		for j := 1; j <= len(b); j++ {
			replace := previous[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			current[j] = min(previous[j]+1, current[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous = previous, current
	}
	return previous[len(b)]
}
