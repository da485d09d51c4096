// Package problem says what is wrong with a file of an operator, and where: the
// messages that `check` prints and the log has. No message shows a secret.
//
//	problem.go  a problem with its place, and lists of them
//	fault.go    what is wrong with one value, before its place is known
//	nearest.go  the word an operator probably meant
//	quote.go    values as messages may show them
//	secret.go   what looks like a secret
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
// counts characters. The zero Position is "nowhere in particular".
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

// Severity is whether a problem stops the table from being served.
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

// Problem is one thing wrong with a file.
type Problem struct {
	Position
	Severity Severity
	Message  string // what is wrong, such as `route "query": prefix has no value`
	Hint     string // what would be right; "" where nothing short can be said
	Source   string // the line at Position; "" where it may hold a secret
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

// WriteTo writes the problem for a person: the one-line form, the source line
// with a caret under the column, and the hint, as far as they are known.
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

// The part of a long line that is shown: so many characters before the column
// and so many from it on.
const (
	excerptBefore = 60
	excerptAfter  = 60
)

// excerpt cuts a line down to the surroundings of column and makes the line
// under it that carries the caret. Control characters, which could rewrite a
// terminal, become a replacement character; tabs stay, in both lines.
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

// List is every problem of one file, ordered by position. It is an error.
type List []Problem

// Error returns one line for each problem.
func (p List) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// HasErrors reports whether any of the problems is more than a warning.
func (p List) HasErrors() bool {
	return slices.ContainsFunc(p, func(one Problem) bool { return one.Severity == SeverityError })
}

// Errors returns the problems that are more than warnings.
func (p List) Errors() List { return p.withSeverity(SeverityError) }

// Warnings returns the problems that do not stop the file from being used.
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
// repetitions, which an alias followed from several places produces.
func (p List) Sort() List {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(p, func(a, b Problem) bool {
		return a.Position == b.Position && a.Message == b.Message
	})
}
