// This file reads statuses of answers.

package value

import (
	"strconv"

	"gatehouse/config/problem"
)

// Status is the status code of an HTTP answer.
type Status int

// String returns the three digits.
func (s Status) String() string { return strconv.Itoa(int(s)) }

// ParseStatus reads the status of a final answer: three digits, from 200 to 599.
func ParseStatus(text string) (Status, *problem.Fault) {
	const lowest, highest = 200, 599
	code, err := strconv.ParseUint(text, 10, 16)
	if err != nil || code < lowest || code > highest || len(text) != len("200") {
		return 0, &problem.Fault{Reason: "not a status", Hint: "write a number from 200 to 599"}
	}
	return Status(code), nil
}
