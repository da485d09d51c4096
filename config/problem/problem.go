// Package problem describes what is wrong in a file of an operator, and where.
// `check` prints these messages, and the log contains them. No message shows a
// secret.
//
//	problem.go  a problem with its place, and lists of problems
//	fault.go    what is wrong with one value, before its place is known
//	nearest.go  the word that an operator probably meant
//	quote.go    values in the form in which messages may show them
//	secret.go   texts that look like secrets
package problem

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Position is a place in a file. Lines and columns count from 1; a column
// counts characters. The zero Position means no particular place.
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns "file:line:column", without the parts that are unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// Severity determines whether a problem stops the table from being served.
type Severity int

// The severities. The zero value is the safe one.
const (
	SeverityError Severity = iota
	SeverityWarning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// Problem is one problem of a file.
type Problem struct {
	Position
	Severity Severity
	Message  string // what is wrong, such as `route "query": prefix has no value`
	Hint     string // what would be right; "" when there is no short answer
	Source   string // the line at Position; "" when it may contain a secret
}

// String returns the problem on one line, without its hint.
func (p Problem) String() string {
	var b strings.Builder
	if place := p.Position.String(); place != "" {
		b.WriteString(place + ": ")
	}
	if p.Severity == SeverityWarning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Error returns the problem on one line, with its hint in parentheses.
func (p Problem) Error() string {
	if p.Hint == "" {
		return p.String()
	}
	return p.String() + " (" + p.Hint + ")"
}

// WriteTo writes the problem for a person: the one-line form, then the source
// line with a caret under the column, and the hint, when these are known.
func (p Problem) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	b.WriteString(p.String() + "\n")
	if p.Source != "" {
		line, caret := excerpt(p.Source, max(p.Column, 1))
		b.WriteString("  " + line + "\n")
		if p.Column > 0 {
			b.WriteString("  " + caret + "\n")
		}
	}
	if p.Hint != "" {
		b.WriteString("  hint: " + p.Hint + "\n")
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// The part of a long line that is shown: the number of characters before the
// column, and from it on.
const (
	excerptBefore = 60
	excerptAfter  = 60
)

// excerpt returns the part of a line around the column, and the line with the
// caret for below it. Control characters could change the terminal, so they are
// replaced. Tabs stay, in both lines.
func excerpt(source string, column int) (line, caret string) {
	characters := []rune(source)
	at := min(column-1, len(characters))
	from, to := max(0, at-excerptBefore), min(len(characters), at+excerptAfter)
	var text, under strings.Builder
	if from > 0 {
		text.WriteString("…")
		under.WriteByte(' ')
	}
	for i, r := range characters[from:to] {
		if r != '\t' && !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		text.WriteRune(r)
		switch {
		case from+i >= at:
		case r == '\t':
			under.WriteByte('\t')
		default:
			under.WriteByte(' ')
		}
	}
	if to < len(characters) {
		text.WriteString("…")
	}
	return text.String(), under.String() + "^"
}

// List holds all problems of one file, ordered by position. It is an error.
type List []Problem

// Error returns one line for each problem.
func (p List) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// HasErrors reports whether any of the problems is an error.
func (p List) HasErrors() bool {
	return slices.ContainsFunc(p, func(one Problem) bool { return one.Severity == SeverityError })
}

// Errors returns the problems that are errors.
func (p List) Errors() List { return p.withSeverity(SeverityError) }

// Warnings returns the problems that are warnings.
func (p List) Warnings() List { return p.withSeverity(SeverityWarning) }

func (p List) withSeverity(severity Severity) List {
	var chosen List
	for _, one := range p {
		if one.Severity == severity {
			chosen = append(chosen, one)
		}
	}
	return chosen
}

// WriteTo writes every problem for a person, as Problem.WriteTo does.
func (p List) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for _, one := range p {
		n, err := one.WriteTo(w)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Sort orders the problems by position, in place, and returns them without
// duplicates. An alias that is used in several places causes duplicates.
func (p List) Sort() List {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(p, func(a, b Problem) bool {
		return a.Position == b.Position && a.Message == b.Message
	})
}
