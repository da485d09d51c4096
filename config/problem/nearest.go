// This file finds the word that an operator probably meant.

package problem

import "strings"

// DidYouMean returns a hint with the known word nearest to word, or "" when
// none is near.
func DidYouMean(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return "did you mean " + Quote(near) + "?"
	}
	return ""
}

// Nearest returns the known word within two edits of word, or "". Case does not
// count, and a hyphen equals an underscore.
func Nearest(word string, known []string) string {
	const maxDistance = 2
	if len(word) > 64 {
		return ""
	}
	best, bestDistance := "", maxDistance+1
	for _, candidate := range known {
		distance := EditDistance(normalizeWord(word), normalizeWord(candidate))
		// Two edits turn any two-letter word into any other.
		if distance < bestDistance && distance*2 <= len(candidate) {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

// normalizeWord returns the same form for two spellings of a word.
func normalizeWord(word string) string { return strings.ReplaceAll(strings.ToLower(word), "-", "_") }

// EditDistance returns the number of insertions, deletions, replacements and
// swaps of neighbours that turn a into b (optimal string alignment).
func EditDistance(a, b string) int {
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
