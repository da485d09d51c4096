// Counts: whole numbers without a unit.

package config

import "strconv"

// parseCount reads a whole number.
func parseCount(text string) (Count, *fault) {
	value, err := strconv.ParseUint(text, 10, 31)
	if err != nil || len(text) > 1 && text[0] == '0' {
		return 0, &fault{reason: "not a whole number", hint: "write one such as 1000; 0 is no bound"}
	}
	return Count(value), nil
}
