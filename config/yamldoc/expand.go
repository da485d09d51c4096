// This file expands ${NAME} in values: the environment as text, never as YAML.

package yamldoc

import (
	"fmt"
	"strings"
	"unicode"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// expand replaces ${NAME} and ${NAME:-default} in one value. It runs after the
// YAML was parsed, so the environment cannot add a key or a list. As in a
// shell, the default also replaces an empty variable, and `$${` is a literal
// `${`. reference is false when the text refers to no variable.
// refuse returns why a variable must not be used, or nil; a nil refuse allows
// all.
func expand(text string, lookup func(name string) (string, bool), refuse func(name string) *problem.Fault) (expanded string, reference bool, f *problem.Fault) {
	if !strings.Contains(text, "${") {
		return text, false, nil
	}
	var b strings.Builder
	var missing []string
	for {
		before, after, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			break
		}
		if strings.HasSuffix(before, "$") {
			// The first of the two dollars is already written.
			b.WriteString("{")
			text = after
			continue
		}
		reference = true
		inner, rest, closed := strings.Cut(after, "}")
		name, fallback, hasFallback := strings.Cut(inner, ":-")
		if f := checkReference(name, fallback, closed); f != nil {
			return "", true, f
		}
		if refuse != nil {
			if f := refuse(name); f != nil {
				return "", true, f
			}
		}
		value, set := lookup(name)
		switch {
		case hasFallback && value == "":
			value = fallback
		case !set && !hasFallback:
			missing = append(missing, name)
		}
		b.WriteString(value)
		text = rest
	}
	if len(missing) > 0 {
		return "", true, &problem.Fault{
			Reason: fmt.Sprintf("the environment has no %s", strings.Join(missing, ", ")),
			Hint:   fmt.Sprintf("set it, or give it a default: ${%s:-…}", missing[0]),
		}
	}
	if strings.ContainsFunc(b.String(), unicode.IsControl) && reference {
		return "", true, &problem.Fault{Reason: "the environment's value contains a control character, such as a line break"}
	}
	return b.String(), reference, nil
}

// checkReference refuses a text that looks like a reference but is not one.
func checkReference(name, fallback string, closed bool) *problem.Fault {
	switch {
	case !closed:
		return &problem.Fault{Reason: "`${` is not closed", Hint: "write ${NAME}, or $${ for the two characters themselves"}
	case !value.IsVariable(name):
		return &problem.Fault{Reason: "not a reference to the environment", Hint: "write ${NAME} or ${NAME:-default}"}
	case strings.Contains(fallback, "${"):
		return &problem.Fault{Reason: "a default cannot refer to another variable", Hint: "write the default itself"}
	}
	return nil
}
