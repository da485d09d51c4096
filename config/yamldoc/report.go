// This file has a document and its problems: the place, the quoted value, and
// the protection of secrets in both.

package yamldoc

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// MaxProblems bounds the problems that one file can report. More of them help
// nobody, and memory must not grow with the number of mistakes.
const MaxProblems = 1000

// Document is one YAML file, with the problems found so far.
type Document struct {
	file     string
	root     *yaml.Node // the top-level mapping; nil when the file cannot be decoded
	text     string
	lines    []string // of text, split at the first problem
	problems problem.List
	dropped  int // problems past MaxProblems
	values   int // with every alias followed

	expanded    map[*yaml.Node]string // values with ${…}, and their expansions
	failed      map[*yaml.Node]bool   // values with a problem, which need no second one
	hiddenLines map[int]bool          // lines with a password, even if it is not visible as one
	hiddenNodes map[*yaml.Node]bool   // values under the key of a secret, whose lines are all hidden
	secrets     map[*yaml.Node]string // values that look like secrets, and their kind
}

func newDocument(file string, data []byte) *Document {
	return &Document{
		file:        file,
		text:        string(data),
		expanded:    map[*yaml.Node]string{},
		failed:      map[*yaml.Node]bool{},
		hiddenLines: map[int]bool{},
		hiddenNodes: map[*yaml.Node]bool{},
		secrets:     map[*yaml.Node]string{},
	}
}

// File returns the name of the file in messages.
func (d *Document) File() string { return d.file }

// Problems returns all problems so far, in the order of the file.
func (d *Document) Problems() problem.List {
	problems := d.problems.Sort()
	if d.dropped > 0 {
		problems = append(problems, problem.Problem{
			Position: problem.Position{File: d.file},
			Message:  fmt.Sprintf("%d more problems are not shown", d.dropped),
		})
	}
	return problems
}

// HasErrors reports whether any problem is an error.
func (d *Document) HasErrors() bool { return d.problems.HasErrors() || d.dropped > 0 }

// add records a problem at a place. Line 0 means the whole file.
func (d *Document) add(severity problem.Severity, line, column int, message, hint string) {
	if len(d.problems) >= MaxProblems {
		// A warning must neither push out an error nor become one.
		if severity == problem.SeverityError {
			d.dropped++
		}
		return
	}
	d.problems = append(d.problems, problem.Problem{
		Position: problem.Position{File: d.file, Line: line, Column: column},
		Severity: severity,
		Message:  message,
		Hint:     hint,
		Source:   d.source(line),
	})
}

// fail records an error at a node, and marks the node as failed.
func (d *Document) fail(n *yaml.Node, message, hint string) {
	d.failed[n] = true
	d.add(problem.SeverityError, n.Line, n.Column, message, hint)
}

// reject records a fault of the value at a node: `title "value": reason`.
func (d *Document) reject(title string, n *yaml.Node, f *problem.Fault) {
	shown, hidden := d.shown(n)
	d.fail(n, title+" "+shown+": "+f.Reason, f.HintFor(hidden))
}

// shown quotes a value for a message. It hides values from the environment,
// because a wrong name might have inserted a secret. The URL of a backend is
// shown, because an operator must see it to understand the message.
func (d *Document) shown(n *yaml.Node) (quoted string, hidden bool) {
	if d.secrets[n] != "" {
		return problem.Redacted, true
	}
	expanded, fromEnvironment := d.expanded[n]
	if !fromEnvironment {
		return problem.Quote(n.Value), false
	}
	if strings.Contains(expanded, "://") {
		return problem.Quote(expanded) + " (from " + problem.Truncate(problem.Redact(n.Value)) + ")", false
	}
	return problem.Quote(n.Value), true
}

// hideSecretLines hides the lines of a value with a password. Escapes and
// folding can make the password invisible in the line alone.
func (d *Document) hideSecretLines(n *yaml.Node) {
	if problem.MayContainSecret(n.Value) || problem.Redact(n.Value) != n.Value {
		d.hideLines(n)
	}
}

// hideLines hides the lines of a value in messages.
func (d *Document) hideLines(n *yaml.Node) {
	breaks := strings.Count(n.Value, " ") + strings.Count(n.Value, "\n") + 1
	for line := n.Line; line <= n.Line+breaks; line++ {
		d.hiddenLines[line] = true
	}
}

// maxSource bounds the line that a problem carries, in bytes. Nobody writes
// longer lines by hand, and one line can have a thousand problems.
const maxSource = 4096

// source returns the text of a line, or "" when it is too long or may contain a
// secret. It is a copy, so that a warning does not keep the whole file in
// memory.
func (d *Document) source(line int) string {
	if d.lines == nil {
		d.lines = splitLines(d.withoutMark())
	}
	if line < 1 || line > len(d.lines) || d.hiddenLines[line] {
		return ""
	}
	text := d.lines[line-1]
	if len(text) > maxSource || problem.MayContainSecret(text) {
		return ""
	}
	return strings.Clone(text)
}

// splitLines splits a text where the YAML parser counts a new line. That
// includes a single carriage return and the three line breaks of Unicode.
func splitLines(text string) []string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text)
	return strings.Split(text, "\n")
}
