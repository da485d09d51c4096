// Secrets that somebody wrote into the table, where everybody who may read it,
// or its history, finds them. They are never shown, not even by a problem beside
// them.

package yamldoc

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// findSecrets remembers the values that look like secrets, and keeps their lines
// out of every message. It comes before decoding, whose problems would show
// them. of is the key that a mapping stands under, and key that of the value.
func (d *Document) findSecrets(n *yaml.Node, of, key string) {
	switch n.Kind {
	case yaml.MappingNode:
		if of == "identity" && key == "headers" {
			key = "claims" // the values are names of claims, not what headers hold
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
		if what == "" && of == "headers" && problem.IsSecretName(key) && len(literalText(n.Value)) >= problem.ShortestSecret {
			what = "the secret that header " + problem.Quote(key) + " has to hold"
		}
		if what != "" {
			d.secrets[n] = what
			d.hideLines(n)
		}
	}
}

// WarnSecrets reports what findSecrets found.
func (d *Document) WarnSecrets() {
	inOrder := func(a, b *yaml.Node) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) }
	for _, n := range slices.SortedFunc(maps.Keys(d.secrets), inOrder) {
		d.add(problem.SeverityWarning, n.Line, n.Column, "this looks like "+d.secrets[n]+", and whoever may read the file can use it",
			"write ${NAME} and put it into the environment; then replace it, since the file's history has it")
	}
}

// literalText returns what of a value stands in the file: the defaults of references,
// and nothing of the environment.
func literalText(value string) string {
	expanded, _, f := expand(value, func(string) (string, bool) { return "", true })
	if f != nil {
		return value
	}
	return expanded
}

// hideTree keeps every line of a node out of messages.
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

// nearSecret reports whether a line that is no YAML, the line before or after it or
// one that it is indented under has the key of a secret.
func (d *Document) nearSecret(line int) bool {
	d.source(line) // cuts the lines
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
				indent = 1 // the line before it is looked at all the same
			}
		}
	}
	return false
}
