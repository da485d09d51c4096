package pathexp

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// MatchesBelow reports whether the expression can match a path that equals a prefix or is
// below it. It may return true for an expression that matches no such path, but never
// false for one that does.
func (e *Expression) MatchesBelow(prefix string) bool {
	m := machine{prog: e.prog}
	root := strings.TrimSuffix(prefix, "/")
	states := m.follow([]uint32{uint32(e.prog.Start)}, true, false)
	for i, r := range root {
		if states = m.step(states, r); len(states) == 0 {
			return false
		}
		atEnd := i == len(root)-1
		if atEnd && m.accepts(m.follow(states, false, true)) {
			return true
		}
		states = m.follow(states, false, false)
	}
	below := m.step(states, '/')
	return m.reachesMatch(below)
}

// machine runs a compiled expression in all its states at once.
type machine struct{ prog *syntax.Prog }

// follow returns the instructions that can be reached without reading anything.
func (m machine) follow(from []uint32, atBegin, atEnd bool) []uint32 {
	return m.walk(from, func(in *syntax.Inst) []uint32 {
		if in.Op == syntax.InstEmptyWidth {
			needs := syntax.EmptyOp(in.Arg)
			if needs&(syntax.EmptyBeginText|syntax.EmptyBeginLine) != 0 && !atBegin || needs&(syntax.EmptyEndText|syntax.EmptyEndLine) != 0 && !atEnd {
				return nil
			}
		}
		return withoutReading(in)
	})
}

// withoutReading returns the next instructions of one that reads nothing. Word
// boundaries count as true.
func withoutReading(in *syntax.Inst) []uint32 {
	switch in.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return []uint32{in.Out, in.Arg}
	case syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth:
		return []uint32{in.Out}
	}
	return nil
}

// step returns the instructions after those that read a character.
func (m machine) step(from []uint32, r rune) []uint32 {
	var next []uint32
	for _, pc := range from {
		if in := &m.prog.Inst[pc]; reads(in) && in.MatchRune(r) {
			next = append(next, in.Out)
		}
	}
	return next
}

func reads(in *syntax.Inst) bool {
	switch in.Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return false
}

func (m machine) accepts(states []uint32) bool {
	for _, pc := range states {
		if m.prog.Inst[pc].Op == syntax.InstMatch {
			return true
		}
	}
	return false
}

// reachesMatch reports whether some text leads from the states to a match.
func (m machine) reachesMatch(from []uint32) bool {
	return m.accepts(m.walk(from, func(in *syntax.Inst) []uint32 {
		if reads(in) {
			return []uint32{in.Out}
		}
		return withoutReading(in)
	}))
}

// walk returns the given instructions and all that follow them, each once.
func (m machine) walk(from []uint32, next func(*syntax.Inst) []uint32) []uint32 {
	seen := make([]bool, len(m.prog.Inst))
	var list []uint32
	for pending := from; len(pending) > 0; {
		pc := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		list = append(list, pc)
		pending = append(slices.Clip(pending), next(&m.prog.Inst[pc])...)
	}
	return list
}
