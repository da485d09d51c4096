package pathexp

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config/problem"
)

// Template makes a path from the groups of a match. It never changes.
type Template struct {
	pieces []piece
	groups bool // a group is used
}

// piece is a literal text, and the group behind it; group 0 means none.
type piece struct {
	literal string
	group   int
}

// ParseTemplate parses a template for an expression with so many groups. $1 to $9 are
// groups and $$ is a dollar. Everything else that begins with a dollar is a fault,
// because programs read it differently.
func ParseTemplate(text string, groups int) (*Template, *problem.Fault) {
	t := &Template{}
	var literal strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		literal.WriteString(before)
		if !found {
			t.pieces = append(t.pieces, piece{literal: literal.String()})
			return t, nil
		}
		if strings.HasPrefix(after, "$") {
			literal.WriteByte('$')
			text = after[1:]
			continue
		}
		if f := checkGroup(after, groups); f != nil {
			return nil, f
		}
		t.pieces = append(t.pieces, piece{literal.String(), int(after[0] - '0')})
		t.groups = true
		literal.Reset()
		text = after[1:]
	}
}

// checkGroup checks what follows a dollar.
func checkGroup(after string, groups int) *problem.Fault {
	const hint = "groups are $1 to $9, and a dollar is written $$"
	word := after[:len(after)-len(strings.TrimLeft(after, "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))]
	switch {
	case strings.HasPrefix(after, "{"):
		name, _, _ := strings.Cut(after, "}")
		return &problem.Fault{Reason: "contains " + problem.Quote("$"+name+"}") + ", and groups have no names here", Hint: hint}
	case word == "":
		return &problem.Fault{Reason: "contains a dollar that is no group", Hint: hint}
	case word == "0":
		return &problem.Fault{Reason: "contains $0", Hint: hint + "; put the whole expression into a group"}
	case word[0] < '1' || word[0] > '9':
		return &problem.Fault{Reason: "contains " + problem.Quote("$"+word) + ", and groups have no names here", Hint: hint}
	case len(word) > 1:
		return &problem.Fault{
			Reason: "contains " + problem.Quote("$"+word) + ", which programs read in different ways",
			Hint:   hint + "; no letter, digit or _ may follow a group",
		}
	}
	if number := int(word[0] - '0'); number > groups {
		return &problem.Fault{Reason: "contains $" + word + ", and `from` has " + count(groups), Hint: "a group is what `from` has in parentheses"}
	}
	return nil
}

func count(groups int) string {
	switch groups {
	case 0:
		return "no group"
	case 1:
		return "one group"
	}
	return strconv.Itoa(groups) + " groups"
}

// HasGroups reports whether the template uses a group.
func (t *Template) HasGroups() bool { return t.groups }

// Start returns the literal text before the first group.
func (t *Template) Start() string { return t.pieces[0].literal }

// With returns the template as text, with the same text in place of each group.
func (t *Template) With(group string) string {
	var b strings.Builder
	for _, p := range t.pieces {
		b.WriteString(p.literal)
		if p.group > 0 {
			b.WriteString(group)
		}
	}
	return b.String()
}

// Expand returns the path for a match of Expression.Find. A group that is not a part of
// the match is empty.
func (t *Template) Expand(path string, match []int) string {
	if !t.groups {
		return t.pieces[0].literal
	}
	var b strings.Builder
	b.Grow(len(path) + len(t.pieces[0].literal))
	for _, p := range t.pieces {
		b.WriteString(p.literal)
		if p.group > 0 && match[2*p.group] >= 0 {
			b.WriteString(path[match[2*p.group]:match[2*p.group+1]])
		}
	}
	return b.String()
}

// Image returns an expression for all paths that the template makes of paths that from
// matches. It may match others, too.
func (t *Template) Image(from *Expression) *Expression {
	var b strings.Builder
	b.WriteByte('^')
	for _, p := range t.pieces {
		b.WriteString(regexp.QuoteMeta(p.literal))
		if p.group == 0 {
			continue
		}
		inner, always := group(from.tree, p.group)
		if inner == nil {
			continue // simplified away: it matches nothing
		}
		if hasAnchor(inner) { // which would mean another place there
			b.WriteString(".*")
			continue
		}
		fmt.Fprintf(&b, "(?:%s)", inner)
		if !always {
			b.WriteByte('?')
		}
	}
	b.WriteByte('$')
	image, err := compile(b.String())
	if err != nil { // too large; then nothing is excluded
		image, _ = compile("^" + regexp.QuoteMeta(t.Start()) + ".*$")
	}
	image.isImage = true
	return image
}

func hasAnchor(tree *syntax.Regexp) bool {
	return tree.Op == syntax.OpBeginText || tree.Op == syntax.OpEndText || slices.ContainsFunc(tree.Sub, hasAnchor)
}
