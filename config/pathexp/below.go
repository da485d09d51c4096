package pathexp

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// MatchesBelow reports whether the expression can match the normal form of a path that
// equals a prefix or is below it. That of an image may have another form. It may return
// true for an expression that matches no such path, but never false for one that does.
func (e *Expression) MatchesBelow(prefix string) bool {
	m := machine{prog: e.prog, anyText: e.isImage}
	root := Normal(strings.TrimSuffix(prefix, "/"))
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
type machine struct {
	prog    *syntax.Prog
	anyText bool // also what is no normal path
}

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

// reachesMatch reports whether some end of a normal path, or any text, leads from the
// states to a match. The path so far ends with a slash.
func (m machine) reachesMatch(from []uint32) bool {
	type place struct {
		pc   uint32
		read spelling
	}
	var pending []place
	seen := make([]bool, len(m.prog.Inst)*int(spellings))
	visit := func(p place) {
		if at := int(p.pc)*int(spellings) + int(p.read); !seen[at] {
			seen[at] = true
			pending = append(pending, p)
		}
	}
	for _, pc := range from {
		visit(place{pc, slash})
	}
	for len(pending) > 0 {
		p := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		in := &m.prog.Inst[p.pc]
		if in.Op == syntax.InstMatch && p.read.isWhole() {
			return true
		}
		for _, next := range withoutReading(in) {
			visit(place{next, p.read})
		}
		for c := byte('!'); reads(in) && !m.anyText && c <= '~'; c++ {
			if next, ok := p.read.read(c); ok && in.MatchRune(rune(c)) {
				visit(place{in.Out, next})
			}
		}
		if m.anyText && reads(in) {
			visit(place{in.Out, plainByte})
		}
	}
	return false
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
