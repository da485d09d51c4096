// Faults of single values, and the rules that many of them share.

package problem

import (
	"slices"
	"strings"
)

// Fault is what is wrong with one value, before its place is known.
type Fault struct {
	Reason string // what is wrong; never repeats the whole value
	Hint   string // what would be right, in words that do not hold the value
	Write  string // the value as it should be written; left out where the value stays hidden
}

// HintFor puts the hint into words, without the value where that stays hidden.
func (f *Fault) HintFor(hidden bool) string {
	if f.Write == "" || hidden {
		return f.Hint
	}
	if f.Hint == "" {
		return "write " + Redact(f.Write)
	}
	return f.Hint + "; write " + Redact(f.Write)
}

// OneOf is the rule for a value out of a few.
func OneOf(noun, value string, allowed ...string) *Fault {
	if slices.Contains(allowed, value) {
		return nil
	}
	hint := DidYouMean(value, allowed)
	if hint == "" {
		hint = "one of " + strings.Join(allowed, ", ")
	}
	return &Fault{Reason: "unknown " + noun, Hint: hint}
}

// First returns the first fault that is not nil, or nil.
func First(faults ...*Fault) *Fault {
	for _, f := range faults {
		if f != nil {
			return f
		}
	}
	return nil
}
