// A document, and the problems that are found in it: finding the place, quoting the
// value, and keeping secrets out of both.

package yamldoc

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// MaxProblems bounds how many problems one file can report: past it more of
// them help nobody, and memory must not grow with the number of mistakes.
const MaxProblems = 1000

// Document is one YAML file, and the problems found in it so far.
type Document struct {
	file     string
	root     *yaml.Node // the top-level mapping; nil when the file is not fit to be decoded
	text     string
	lines    []string // of text, cut when the first problem asks for them
	problems problem.List
	dropped  int // problems past MaxProblems

	expanded    map[*yaml.Node]string // values that hold ${…}, and what they became
	failed      map[*yaml.Node]bool   // values with a problem, which need no second one
	hiddenLines map[int]bool          // lines whose text holds a password, though it may not look so
	hiddenNodes map[*yaml.Node]bool   // values under the key of a secret, whose lines are all private
	secrets     map[*yaml.Node]string // values that look like secrets, and what kind of
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

// HasErrors reports whether any problem is more than a warning.
func (d *Document) HasErrors() bool { return d.problems.HasErrors() || d.dropped > 0 }

// add records a problem at a place; a line of 0 is the file as a whole.
func (d *Document) add(severity problem.Severity, line, column int, message, hint string) {
	if len(d.problems) >= MaxProblems {
		// A warning must not push an error out, nor turn into one.
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

// fail records an error at a node, and that the node has one.
func (d *Document) fail(n *yaml.Node, message, hint string) {
	d.failed[n] = true
	d.add(problem.SeverityError, n.Line, n.Column, message, hint)
}

// reject records what is wrong with the value at a node: `title "value": reason`.
func (d *Document) reject(title string, n *yaml.Node, f *problem.Fault) {
	shown, hidden := d.shown(n)
	d.fail(n, title+" "+shown+": "+f.Reason, f.HintFor(hidden))
}

// shown quotes a value for a message. What the environment put into a value is
// not repeated, since a wrong name might have put a secret there, but for the
// URL of a backend, which an operator has to see to understand the message.
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

// hideSecretLines remembers the lines of a value that holds a password. Escapes and
// folding may hide it from a look at the line alone.
func (d *Document) hideSecretLines(n *yaml.Node) {
	if problem.MayContainSecret(n.Value) || problem.Redact(n.Value) != n.Value {
		d.hideLines(n)
	}
}

// hideLines keeps the lines of a value out of messages.
func (d *Document) hideLines(n *yaml.Node) {
	breaks := strings.Count(n.Value, " ") + strings.Count(n.Value, "\n") + 1
	for line := n.Line; line <= n.Line+breaks; line++ {
		d.hiddenLines[line] = true
	}
}

// maxSource bounds the line that a problem carries, in bytes. A longer one was
// not written by hand, and a thousand problems may be on it.
const maxSource = 4096

// source returns the text of a line, or "" where it is too long or may hold a
// secret. It is a copy, so that a warning does not keep the whole file alive.
func (d *Document) source(line int) string {
	if d.lines == nil {
		d.lines = splitLines(d.text)
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

// splitLines cuts a text where the YAML parser counts a new line, which is also
// after a lone carriage return and the three line breaks of Unicode.
func splitLines(text string) []string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text)
	return strings.Split(text, "\n")
}
