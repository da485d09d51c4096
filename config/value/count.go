// This file reads counts: whole numbers without a unit.

package value

import (
	"strconv"

	"gatehouse/config/problem"
)

// Count is a whole number of things.
type Count int64

// ParseCount reads a whole number.
func ParseCount(text string) (Count, *problem.Fault) {
	value, err := strconv.ParseUint(text, 10, 31)
	if err != nil || len(text) > 1 && text[0] == '0' {
		return 0, &problem.Fault{Reason: "not a whole number", Hint: "write a number such as 1000; 0 means no bound"}
	}
	return Count(value), nil
}
