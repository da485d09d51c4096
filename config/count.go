// Counts: whole numbers without a unit.

package config

import (
	"strconv"

	"gatehouse/config/problem"
)

// parseCount reads a whole number.
func parseCount(text string) (Count, *problem.Fault) {
	value, err := strconv.ParseUint(text, 10, 31)
	if err != nil || len(text) > 1 && text[0] == '0' {
		return 0, &problem.Fault{Reason: "not a whole number", Hint: "write one such as 1000; 0 is no bound"}
	}
	return Count(value), nil
}
