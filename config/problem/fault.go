// This file has faults of single values, and rules that many values share.

package problem

import (
	"slices"
	"strings"
)

// Fault describes what is wrong with one value, before its place is known.
type Fault struct {
	Reason string // what is wrong; never repeats the whole value
	Hint   string // what would be right, without the value
	Write  string // the right value; not shown where the value is hidden
}

// HintFor returns the hint, without the value when that is hidden.
func (f *Fault) HintFor(hidden bool) string {
	if f.Write == "" || hidden {
		return f.Hint
	}
	if f.Hint == "" {
		return "write " + Redact(f.Write)
	}
	return f.Hint + "; write " + Redact(f.Write)
}

// OneOf returns a fault unless value is one of the allowed words.
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
