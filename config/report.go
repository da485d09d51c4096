// Collecting problems while a file is decoded and validated: finding the place,
// quoting the value, and keeping secrets out of both.

package config

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxProblems bounds how many problems one file can report: past it more of
// them help nobody, and memory must not grow with the number of mistakes.
const maxProblems = 1000

// maxQuoted bounds how much of a value a message repeats, in characters.
const maxQuoted = 120

// fault is what is wrong with one value, before its place is known.
type fault struct {
	reason string // what is wrong; never repeats the whole value
	hint   string // what would be right, in words that do not hold the value
	write  string // the value as it should be written; left out where the value stays hidden
}

// place names a value in messages: what it is within (`route "query": `, ready
// to be followed by more) and its key.
type place struct{ within, key string }

func (p place) inside() string { return p.within + p.key + ": " }

// report collects the problems of one file.
type report struct {
	file     string
	text     string
	lines    []string // of text, cut when the first problem asks for them
	problems Problems
	dropped  int // problems past maxProblems

	expanded    map[*yaml.Node]string // values that hold ${…}, and what they became
	failed      map[*yaml.Node]bool   // values with a problem, which need no second one
	hiddenLines map[int]bool          // lines whose text holds a password, though it may not look so
	hiddenNodes map[*yaml.Node]bool   // values under the key of a secret, whose lines are all private
	secrets     map[*yaml.Node]string // values that look like secrets, and what kind of
}

func newReport(file string, data []byte) *report {
	return &report{
		file:        file,
		text:        string(data),
		expanded:    map[*yaml.Node]string{},
		failed:      map[*yaml.Node]bool{},
		hiddenLines: map[int]bool{},
		hiddenNodes: map[*yaml.Node]bool{},
		secrets:     map[*yaml.Node]string{},
	}
}

// sorted returns all problems in the order of the file.
func (r *report) sorted() Problems {
	problems := sortProblems(r.problems)
	if r.dropped > 0 {
		problems = append(problems, Problem{
			Position: Position{File: r.file},
			Message:  fmt.Sprintf("%d more problems are not shown", r.dropped),
		})
	}
	return problems
}

// add records a problem at a place; a line of 0 is the file as a whole.
func (r *report) add(severity Severity, line, column int, message, hint string) {
	if len(r.problems) >= maxProblems {
		// A warning must not push an error out, nor turn into one.
		if severity == SeverityError {
			r.dropped++
		}
		return
	}
	r.problems = append(r.problems, Problem{
		Position: Position{File: r.file, Line: line, Column: column},
		Severity: severity,
		Message:  message,
		Hint:     hint,
		Source:   r.source(line),
	})
}

// fail records an error at a node, and that the node has one.
func (r *report) fail(n *yaml.Node, message, hint string) {
	r.failed[n] = true
	r.add(SeverityError, n.Line, n.Column, message, hint)
}

// reject records what is wrong with the value at a node: `within: key "value": reason`.
func (r *report) reject(at place, n *yaml.Node, f *fault) {
	shown, hidden := r.shown(n)
	r.fail(n, at.within+at.key+" "+shown+": "+f.reason, hintOf(f, hidden))
}

// hintOf puts a fault's hint into words.
func hintOf(f *fault, hidden bool) string {
	if f.write == "" || hidden {
		return f.hint
	}
	if f.hint == "" {
		return "write " + redact(f.write)
	}
	return f.hint + "; write " + redact(f.write)
}

// shown quotes a value for a message. What the environment put into a value is
// not repeated, since a wrong name might have put a secret there, but for the
// URL of a backend, which an operator has to see to understand the message.
func (r *report) shown(n *yaml.Node) (quoted string, hidden bool) {
	if r.secrets[n] != "" {
		return redacted, true
	}
	expanded, fromEnvironment := r.expanded[n]
	if !fromEnvironment {
		return quote(n.Value), false
	}
	if strings.Contains(expanded, "://") {
		return quote(expanded) + " (from " + truncate(redact(n.Value)) + ")", false
	}
	return quote(n.Value), true
}

// quote repeats a value in a message, without the passwords in it.
func quote(text string) string { return strconv.Quote(truncate(redact(text))) }

// truncate shortens what is too long for a message.
func truncate(text string) string {
	characters := []rune(text)
	if len(characters) <= maxQuoted {
		return text
	}
	return string(characters[:maxQuoted]) + "…"
}

// redact takes userinfo and query out of the URLs in a text, and hides what looks
// like a secret. It rather removes too much: a password may hold any character
// when nobody escaped it.
func redact(text string) string {
	if detectSecret(text) != "" {
		return redacted
	}
	start := strings.Index(text, "://")
	if start < 0 {
		if end := strings.LastIndexByte(text, '@'); end > 0 && strings.Contains(text[:end], ":") {
			return redacted + text[end:]
		}
		return text
	}
	start += len("://")
	if end := strings.LastIndexByte(text, '@'); end > start {
		text = text[:start] + redacted + text[end:]
	}
	if query := strings.IndexByte(text[start:], '?'); query >= 0 {
		text = text[:start+query] + "?…"
	}
	return text
}

// mayContainSecret says whether a text may hold a URL with a password, or with a
// query, where keys of an API stand, or something else that looks like a secret.
func mayContainSecret(text string) bool {
	_, rest, found := strings.Cut(text, "://")
	return found && strings.ContainsAny(rest, "@?") || detectSecret(text) != "" || containsUserinfo(text) || containsSecretKey(text)
}

// containsUserinfo looks for name:password@ in a line, where a colon before a space
// is one of YAML.
func containsUserinfo(line string) bool {
	for name := range strings.SplitAfterSeq(line[:strings.LastIndexByte(line, '@')+1], " ") {
		if colon := strings.IndexByte(name, ':'); colon >= 0 && colon+1 < len(name) && name[colon+1] != ' ' {
			return true
		}
	}
	return false
}

// hideSecretLines remembers the lines of a value that holds a password. Escapes and
// folding may hide it from a look at the line alone.
func (r *report) hideSecretLines(n *yaml.Node) {
	if mayContainSecret(n.Value) || redact(n.Value) != n.Value {
		r.hideLines(n)
	}
}

// hideLines keeps the lines of a value out of messages.
func (r *report) hideLines(n *yaml.Node) {
	breaks := strings.Count(n.Value, " ") + strings.Count(n.Value, "\n") + 1
	for line := n.Line; line <= n.Line+breaks; line++ {
		r.hiddenLines[line] = true
	}
}

// maxSource bounds the line that a problem carries, in bytes. A longer one was
// not written by hand, and a thousand problems may be on it.
const maxSource = 4096

// source returns the text of a line, or "" where it is too long or may hold a
// secret. It is a copy, so that a warning does not keep the whole file alive.
func (r *report) source(line int) string {
	if r.lines == nil {
		r.lines = splitLines(r.text)
	}
	if line < 1 || line > len(r.lines) || r.hiddenLines[line] {
		return ""
	}
	text := r.lines[line-1]
	if len(text) > maxSource || mayContainSecret(text) {
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
