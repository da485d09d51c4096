package pathexp

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// maxSamples is the largest number of samples of an expression and of each part of it.
const maxSamples = 64

// Samples returns some short texts that the expression matches. A part that may contain
// a slash has samples with one, because slashes decide whether a path is canonical.
func (e *Expression) Samples() []string {
	list := samples(e.tree)
	return slices.DeleteFunc(list, func(text string) bool { return !e.Matches(text) })
}

func samples(tree *syntax.Regexp) []string {
	switch tree.Op {
	case syntax.OpNoMatch:
		return nil
	case syntax.OpLiteral:
		return literalSamples(tree)
	case syntax.OpCharClass:
		return classSamples(tree.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"x", "/"}
	case syntax.OpCapture:
		return samples(tree.Sub[0])
	case syntax.OpStar:
		return bounded(append([]string{""}, repeated(samples(tree.Sub[0]))...))
	case syntax.OpPlus:
		return bounded(repeated(samples(tree.Sub[0])))
	case syntax.OpQuest:
		return bounded(append(samples(tree.Sub[0]), ""))
	case syntax.OpConcat:
		list := []string{""}
		for _, part := range tree.Sub {
			list = joined(list, samples(part))
		}
		return list
	case syntax.OpAlternate:
		var list []string
		for _, alternative := range tree.Sub {
			list = append(list, samples(alternative)...)
		}
		return bounded(list)
	}
	return []string{""} // what reads nothing
}

func literalSamples(tree *syntax.Regexp) []string {
	text := string(tree.Rune)
	if tree.Flags&syntax.FoldCase == 0 {
		return []string{text}
	}
	return []string{strings.ToLower(text), strings.ToUpper(text)}
}

// classSamples returns characters of a class, which is a list of ranges.
func classSamples(ranges []rune) []string {
	var list []string
	has := func(r rune) bool {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= r && r <= ranges[i+1] {
				return true
			}
		}
		return false
	}
	for _, r := range "x1AF-._/" {
		if has(r) && (len(list) == 0 || r == '/') {
			list = append(list, string(r))
		}
	}
	if len(list) == 0 && len(ranges) > 0 && unicode.IsPrint(ranges[0]) {
		list = append(list, string(ranges[0]))
	}
	return list
}

// repeated returns the texts once, and two of them together.
func repeated(once []string) []string {
	list := slices.Clone(once)
	if slices.Contains(once, "/") {
		return append(list, joined([]string{"/"}, once)...)
	}
	if len(once) > 0 {
		list = append(list, once[0]+once[0])
	}
	return list
}

// joined returns each of the texts before with each of those after.
func joined(before, after []string) []string {
	var list []string
	for _, a := range after {
		for _, b := range before {
			list = append(list, b+a)
		}
	}
	return bounded(list)
}

func bounded(list []string) []string { return list[:min(len(list), maxSamples)] }
