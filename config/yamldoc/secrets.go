// This file finds secrets that somebody wrote into the table, where everybody
// who can read it or its history can find them. No message shows them, not even
// a message about another problem nearby.

package yamldoc

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// findSecrets records the values that look like secrets, and hides their lines
// in every message. It runs before decoding, because the problems of decoding
// would show them. of is the key of the mapping, and key is the key of the
// value.
func (d *Document) findSecrets(n *yaml.Node, of, key string) {
	switch n.Kind {
	case yaml.MappingNode:
		if of == "identity" && key == "headers" {
			key = "claims" // the values are names of claims, not values of headers
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			d.findSecrets(n.Content[i], "", "")
			d.findSecrets(n.Content[i+1], key, n.Content[i].Value)
			if problem.IsSecretKey(n.Content[i].Value) && key != "claims" {
				d.hideTree(n.Content[i])
				d.hideTree(n.Content[i+1])
			}
		}
	case yaml.SequenceNode:
		for _, entry := range n.Content {
			d.findSecrets(entry, of, key)
		}
	case yaml.ScalarNode:
		d.hideSecretLines(n)
		what := problem.DetectSecret(n.Value)
		if what == "" && isHeaderTable(of) && problem.IsSecretName(key) && len(literalText(n.Value)) >= problem.ShortestSecret {
			what = "the secret value of header " + problem.Quote(key)
		}
		if what != "" {
			d.secrets[n] = what
			d.hideLines(n)
		}
	}
}

// isHeaderTable reports whether the values of a mapping are values of headers. of is its
// key.
func isHeaderTable(of string) bool {
	return of == "headers" || of == "match_headers" || of == "set" || of == "add"
}

// WarnSecrets reports the values that findSecrets found.
func (d *Document) WarnSecrets() {
	inOrder := func(a, b *yaml.Node) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) }
	for _, n := range slices.SortedFunc(maps.Keys(d.secrets), inOrder) {
		d.add(problem.SeverityWarning, n.Line, n.Column, "this looks like "+d.secrets[n]+", and everybody who can read the file can use it",
			"write ${NAME} and put it into the environment; then replace it, since the file's history has it")
	}
}

// literalText returns the part of a value that is written in the file: the
// defaults of references, and nothing from the environment.
func literalText(value string) string {
	expanded, _, f := expand(value, func(string) (string, bool) { return "", true }, nil)
	if f != nil {
		return value
	}
	return expanded
}

// hideTree hides every line of a node in messages.
func (d *Document) hideTree(n *yaml.Node) {
	if d.hiddenNodes[n] {
		return
	}
	d.hiddenNodes[n] = true
	d.hideLines(n)
	for _, child := range n.Content {
		d.hideTree(child)
	}
}

// nearSecret reports whether the key of a secret is near a line that is not
// YAML: on the line, on the line before or after it, or on a line that it is
// indented under.
func (d *Document) nearSecret(line int) bool {
	d.source(line) // splits the lines
	indent := maxSource
	for i := min(line+1, len(d.lines)); i >= 1 && indent > 0; i-- {
		text := d.lines[i-1]
		depth := len(text) - len(strings.TrimLeft(text, " \t-"))
		near := i >= line-1
		if (near || depth < indent) && len(text) <= maxSource && problem.ContainsSecretKey(text) {
			return true
		}
		if i <= line && strings.TrimSpace(text) != "" {
			indent = min(indent, depth)
			if i == line && indent == 0 {
				indent = 1 // the line before it is checked in any case
			}
		}
	}
	return false
}
