package pathexp

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"unicode"

	"gatehouse/config/problem"
)

// The bounds of an expression. A match takes time in proportion to the size of the
// compiled expression and the length of the path (RE2).
const (
	// MaxLength is the largest length of an expression, in bytes.
	MaxLength = 512
	// MaxInstructions is the largest size of a compiled expression. Repetitions such
	// as x{200} make a short expression large.
	MaxInstructions = 256
)

// MaxGroup is the largest number of a group in a template.
const MaxGroup = 9

// Expression is a regular expression (RE2) that matches whole paths. It never changes.
type Expression struct {
	regexp *regexp.Regexp
	tree   *syntax.Regexp
	prog   *syntax.Prog

	isImage bool // of a template, whose paths need not be normal
}

// Parse parses an expression. It must match whole paths: begin with ^ and end with $.
func Parse(text string) (*Expression, *problem.Fault) {
	if len(text) > MaxLength {
		return nil, &problem.Fault{Reason: fmt.Sprintf("longer than %d characters", MaxLength), Hint: "a few rewrites of several routes are easier to read"}
	}
	e, err := compile(text)
	if err != nil {
		return nil, badSyntax(err)
	}
	if len(e.prog.Inst) > MaxInstructions {
		return nil, &problem.Fault{Reason: "too large when its repetitions are written out", Hint: "use * or + instead of {n,m}"}
	}
	if f := e.anchored(text); f != nil {
		return nil, f
	}
	return e, nil
}

func badSyntax(err error) *problem.Fault {
	f := &problem.Fault{Reason: "not a regular expression", Hint: "the syntax is that of RE2: https://github.com/google/re2/wiki/Syntax"}
	broken, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return f
	}
	f.Reason += ": " + broken.Code.String()
	if broken.Code == syntax.ErrInvalidPerlOp {
		f.Hint = "RE2 has no lookahead, no lookbehind and no atomic groups, so that every match takes linear time"
	}
	if broken.Code == syntax.ErrInvalidEscape {
		f.Hint = "RE2 has no backreferences; a character that is no letter is escaped with one backslash"
	}
	return f
}

// compile compiles an expression without checking its bounds.
func compile(text string) (*Expression, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	simple := tree.Simplify()
	prog, err := syntax.Compile(simple)
	if err != nil {
		return nil, err
	}
	return &Expression{regexp: compiled, tree: simple, prog: prog}, nil
}

// anchored refuses an expression that could match a part of a path. Other programs
// replace that part, or the whole path, so such an expression has no clear meaning.
func (e *Expression) anchored(text string) *problem.Fault {
	const hint = "it is matched with the whole path: begin with ^ and end with $"
	begins, ends := isAnchor(e.tree, syntax.OpBeginText, first), isAnchor(e.tree, syntax.OpEndText, last)
	switch {
	case begins && ends:
		return nil
	case begins:
		return &problem.Fault{Reason: "does not end with $", Hint: hint + ", or with .*$ for all that begins so"}
	case ends:
		return &problem.Fault{Reason: "does not begin with ^", Hint: hint, Write: "^" + text}
	}
	return &problem.Fault{Reason: "is not anchored", Hint: hint, Write: "^(?:" + text + ")$"}
}

func first(list []*syntax.Regexp) *syntax.Regexp { return list[0] }
func last(list []*syntax.Regexp) *syntax.Regexp  { return list[len(list)-1] }

// isAnchor reports whether every match of an expression begins or ends with an anchor.
// end chooses the part of a sequence that is at that end.
func isAnchor(tree *syntax.Regexp, anchor syntax.Op, end func([]*syntax.Regexp) *syntax.Regexp) bool {
	switch tree.Op {
	case anchor:
		return true
	case syntax.OpConcat, syntax.OpCapture:
		return isAnchor(end(tree.Sub), anchor, end)
	case syntax.OpAlternate:
		for _, alternative := range tree.Sub {
			if !isAnchor(alternative, anchor, end) {
				return false
			}
		}
		return true
	}
	return false
}

// Groups returns the number of groups.
func (e *Expression) Groups() int { return e.regexp.NumSubexp() }

// Matches reports whether the expression matches a path.
func (e *Expression) Matches(path string) bool { return e.regexp.MatchString(path) }

// Find returns the places of the match and of its groups, as regexp's
// FindStringSubmatchIndex does, or nil.
func (e *Expression) Find(path string) []int { return e.regexp.FindStringSubmatchIndex(path) }

// Literal returns the only path that the expression matches. It returns false when there
// may be others.
func (e *Expression) Literal() (path string, ok bool) {
	text, ok := literal(e.tree)
	return text, ok && text != ""
}

func literal(tree *syntax.Regexp) (text string, ok bool) {
	switch tree.Op {
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpEmptyMatch:
		return "", true
	case syntax.OpLiteral:
		for _, r := range tree.Rune {
			if tree.Flags&syntax.FoldCase != 0 && unicode.SimpleFold(r) != r {
				return "", false
			}
		}
		return string(tree.Rune), true
	case syntax.OpConcat, syntax.OpCapture:
		for _, part := range tree.Sub {
			piece, ok := literal(part)
			if !ok {
				return "", false
			}
			text += piece
		}
		return text, true
	}
	return "", false
}

// group returns the expression in a group, and whether every match has the group.
func group(tree *syntax.Regexp, number int) (found *syntax.Regexp, always bool) {
	if tree.Op == syntax.OpCapture && tree.Cap == number {
		return tree.Sub[0], true
	}
	for _, part := range tree.Sub {
		if found, always = group(part, number); found != nil {
			return found, always && (tree.Op == syntax.OpConcat || tree.Op == syntax.OpCapture || tree.Op == syntax.OpPlus)
		}
	}
	return nil, false
}
