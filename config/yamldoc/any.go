// This file decodes values of any type, such as the claims of a token.

package yamldoc

import (
	"encoding/json"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// Any decodes a value as JSON would have it: text, a json.Number, a bool, an
// []any or a map[string]any. Unquoted text must not look like another type, and
// an unquoted number must be one in JSON, too.
func (d *Decoder) Any(f *Field) any {
	if !d.hasValue(f) {
		return nil
	}
	switch f.node.Kind {
	case yaml.MappingNode:
		object := make(map[string]any, len(f.node.Content)/2)
		f.children = make([]Field, 0, len(f.node.Content)/2)
		for key, value := range d.pairs(f) {
			object[key.Value] = d.Any(f.add(key, value))
		}
		return object
	case yaml.SequenceNode:
		list := make([]any, len(f.node.Content))
		f.children = make([]Field, len(f.node.Content))
		for i, node := range f.node.Content {
			entry := &f.children[i]
			*entry = Field{doc: f.doc, parent: f, node: resolveAlias(node)}
			list[i] = d.Any(entry)
		}
		return list
	default:
		return d.anyScalar(f)
	}
}

// anyScalar decodes a plain value of any type.
func (d *Decoder) anyScalar(f *Field) any {
	text, ok := d.Text(f)
	if !ok {
		return nil
	}
	switch plain := f.node.Style&^yaml.FlowStyle == 0; {
	case plain && f.node.Tag == "!!bool" && (f.node.Value == "true" || f.node.Value == "false"):
		return f.node.Value == "true"
	case plain && (f.node.Tag == "!!int" || f.node.Tag == "!!float") && json.Valid([]byte(f.node.Value)):
		return json.Number(f.node.Value)
	}
	if fault := ambiguous(f.node); fault != nil {
		f.Reject(&problem.Fault{Reason: fault.Reason, Hint: "quote text; write numbers as in JSON, and true or false"})
		return nil
	}
	return text
}
