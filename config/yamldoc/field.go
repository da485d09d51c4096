// This file has the decoded fields, each with its place in the file and its
// name in messages.

package yamldoc

import (
	"iter"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// Field is one decoded value of the file: the whole file, the value of a key,
// or an entry of a list. Validation reads its children and reports problems
// with Fail, Reject and similar methods. These put the title of the field
// before the message and mark the field as failed, so that each mistake is
// reported once. A nil Field stands for a value that the file does not have.
// Its methods may be called, and return nothing.
type Field struct {
	doc      *Document
	parent   *Field     // nil for the file
	key      *yaml.Node // nil for the file and for entries of lists
	node     *yaml.Node // aliases followed
	name     string     // the key, or the name of a list entry in messages; "" when the entry has the name of the list
	children []Field    // in the order of the file: keys of a mapping, or entries of a list
	// entries is the name of the list's entries in messages, and the key that
	// names each: "route,name".
	entries string
}

// title returns the name of the field in messages: `route "query": prefix`.
func (f *Field) title() string {
	switch {
	case f.parent == nil:
		return ""
	case f.key == nil && f.name == "":
		return f.parent.title()
	case f.key == nil: // the name of an entry includes its list
		return f.parent.parent.inside() + f.name
	default:
		return f.parent.inside() + f.name
	}
}

// inside returns the beginning of messages about something in the field.
func (f *Field) inside() string {
	if f.parent == nil {
		return ""
	}
	return f.title() + ": "
}

// field returns the field under a key, with or without a problem, or nil.
func (f *Field) field(key string) *Field {
	if !f.IsMapping() {
		return nil
	}
	for i := range f.children {
		if f.children[i].name == key {
			return &f.children[i]
		}
	}
	return nil
}

// add adds the field under a key, which is decoded later.
func (f *Field) add(key, value *yaml.Node) *Field {
	f.children = append(f.children, Field{doc: f.doc, parent: f, key: key, node: resolveAlias(value), name: key.Value})
	return &f.children[len(f.children)-1]
}

// Given reports whether the file has the key, whatever its value.
func (f *Field) Given(key string) bool { return f.field(key) != nil }

// Get returns the field under a key, or nil when it is missing or has a
// problem.
func (f *Field) Get(key string) *Field {
	if child := f.field(key); child.Valid() {
		return child
	}
	return nil
}

// Valid reports whether the field exists and has no problem.
func (f *Field) Valid() bool { return f != nil && !f.doc.failed[f.node] }

// Entries yields the entries of a list that have no problem.
func (f *Field) Entries() iter.Seq2[int, *Field] {
	return func(yield func(int, *Field) bool) {
		if !f.IsList() {
			return
		}
		for i := range f.children {
			if entry := &f.children[i]; entry.Valid() && !yield(i, entry) {
				return
			}
		}
	}
}

// Keys yields the keys of a mapping that have no problem. Their values may have
// one.
func (f *Field) Keys() iter.Seq2[string, *Field] {
	return func(yield func(string, *Field) bool) {
		if !f.IsMapping() {
			return
		}
		for i := range f.children {
			if child := &f.children[i]; !f.doc.failed[child.key] && !yield(child.name, child) {
				return
			}
		}
	}
}

// HasCollection reports whether the file has a list or a mapping under a key, which may
// not be decoded yet.
func (f *Field) HasCollection(key string) bool {
	if !f.IsMapping() {
		return false
	}
	for i := 0; i+1 < len(f.node.Content); i += 2 {
		if resolveAlias(f.node.Content[i]).Value == key && resolveAlias(f.node.Content[i+1]).Kind != yaml.ScalarNode {
			return true
		}
	}
	return false
}

// IsPlain reports whether the file has one plain value here.
func (f *Field) IsPlain() bool { return f != nil && f.node.Kind == yaml.ScalarNode }

// IsMapping reports whether the file has a mapping here.
func (f *Field) IsMapping() bool { return f != nil && f.node.Kind == yaml.MappingNode }

// IsList reports whether the file has a list here.
func (f *Field) IsList() bool { return f != nil && f.node.Kind == yaml.SequenceNode }

// IsEmpty reports whether the file has an empty list or mapping here.
func (f *Field) IsEmpty() bool {
	return f != nil && f.node.Kind != yaml.ScalarNode && len(f.node.Content) == 0
}

// Text returns the plain value as written in the file.
func (f *Field) Text() string { return f.node.Value }

// Line returns the line at which the field begins.
func (f *Field) Line() int { return f.node.Line }

// File returns the name of the field's file in messages.
func (f *Field) File() string { return f.doc.file }

// Name returns the field's name in messages, without its parents.
func (f *Field) Name() string { return f.name }

// Position returns the place at which the field begins.
func (f *Field) Position() problem.Position {
	return problem.Position{File: f.doc.file, Line: f.node.Line, Column: f.node.Column}
}

// KeyPosition returns the place of the field's key.
func (f *Field) KeyPosition() problem.Position {
	return problem.Position{File: f.doc.file, Line: f.key.Line, Column: f.key.Column}
}

// Fail reports a problem of the field: `route "query": prefix` and what.
func (f *Field) Fail(what, hint string) { f.doc.fail(f.node, f.title()+" "+what, hint) }

// FailKey reports at the key that the field must not be there.
func (f *Field) FailKey(what, hint string) {
	if f.name == "" {
		f.doc.fail(f.key, f.parent.inside()+what, hint)
		return
	}
	f.doc.fail(f.key, f.title()+" "+what, hint)
}

// FailKind reports that the field must be of another kind, such as a list.
func (f *Field) FailKind(expected, hint string) {
	f.Fail("must be "+expected+", not "+kindOf(f.node), hint)
}

// FailValue reports a problem of the field, at the value of the key, which must
// exist.
func (f *Field) FailValue(key, what, hint string) {
	child := f.field(key)
	child.doc.fail(child.node, f.inside()+what, hint)
}

// Report reports a problem at the field, without its title.
func (f *Field) Report(message, hint string) { f.doc.fail(f.node, message, hint) }

// FailAt reports a problem of the field, at a key of it if that exists.
func (f *Field) FailAt(key, what, hint string) {
	doc, node := f.placeAt(key)
	doc.fail(node, f.inside()+what, hint)
}

// placeAt returns a key of the field, and its file, which is another one when
// the field was joined from several. When the key is missing, it returns the
// field: then the value comes from elsewhere, such as `defaults:`.
func (f *Field) placeAt(key string) (*Document, *yaml.Node) {
	if child := f.field(key); child != nil {
		return child.doc, child.key
	}
	return f.doc, f.node
}

// Reject reports a fault of the field's value, and repeats the value.
func (f *Field) Reject(fault *problem.Fault) { f.doc.reject(f.title(), f.node, fault) }

// RejectKey reports a fault of the field's key, and repeats the key.
func (f *Field) RejectKey(fault *problem.Fault) { f.doc.reject(f.parent.title(), f.key, fault) }

// Warn reports a warning at the field, without its title.
func (f *Field) Warn(message, hint string) {
	f.doc.add(problem.SeverityWarning, f.node.Line, f.node.Column, message, hint)
}

// WarnAt is like Warn, at a key of the field if that exists.
func (f *Field) WarnAt(key, message, hint string) {
	doc, at := f.placeAt(key)
	doc.add(problem.SeverityWarning, at.Line, at.Column, message, hint)
}

// WarnKey reports a warning about the field, at its key.
func (f *Field) WarnKey(what, hint string) {
	f.doc.add(problem.SeverityWarning, f.key.Line, f.key.Column, f.title()+" "+what, hint)
}

// Variables yields each reference to the environment in the field, with the
// value that has it.
func (f *Field) Variables() iter.Seq2[string, *Field] {
	return func(yield func(string, *Field) bool) {
		if f != nil {
			f.eachVariable(yield)
		}
	}
}

func (f *Field) eachVariable(yield func(string, *Field) bool) bool {
	for i := range f.children {
		if !f.children[i].eachVariable(yield) {
			return false
		}
	}
	if len(f.children) > 0 {
		return true
	}
	names := map[string]bool{}
	addVariables(f.node, names)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !yield(name, f) {
			return false
		}
	}
	return true
}

// addVariables adds the variables that the values of a tree refer to.
func addVariables(n *yaml.Node, names map[string]bool) {
	n = resolveAlias(n)
	for i, child := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 { // keys are not expanded
			addVariables(child, names)
		}
	}
	if n.Kind == yaml.ScalarNode {
		_, _, _ = expand(n.Value, func(name string) (string, bool) { names[name] = true; return "", true }, nil)
	}
}

// WarnValue reports a warning about the field's value, and repeats the value.
func (f *Field) WarnValue(what, hint string) {
	f.doc.add(problem.SeverityWarning, f.node.Line, f.node.Column, f.title()+" "+f.Quoted()+": "+what, hint)
}

// Quoted returns the field's value for a message.
func (f *Field) Quoted() string {
	shown, _ := f.doc.shown(f.node)
	return shown
}

// Check rejects the plain value of a key when the rule returns a fault.
func (f *Field) Check(key, value string, rule func(string) *problem.Fault) {
	child := f.Get(key)
	if child == nil {
		return
	}
	if fault := rule(value); fault != nil {
		child.Reject(fault)
	}
}

// CheckEach rejects those entries of the list under a key for which the rule
// returns a fault, and duplicates.
func (f *Field) CheckEach(key string, values []string, rule func(string) *problem.Fault) {
	first := map[string]*Field{}
	for i, entry := range f.Get(key).Entries() {
		if i >= len(values) {
			break
		}
		fault := rule(values[i])
		if earlier, repeated := first[values[i]]; repeated {
			fault = &problem.Fault{Reason: "is listed twice", Hint: "first listed at " + earlier.PlaceFrom(entry)}
		}
		first[values[i]] = entry
		if fault != nil {
			entry.Reject(fault)
		}
	}
}

// Forbid rejects a key as a whole.
func (f *Field) Forbid(key, reason, hint string) {
	if child := f.field(key); child != nil {
		child.FailKey(reason, hint)
	}
}

// Missing reports that a key is missing.
func (f *Field) Missing(key, hint string) {
	f.doc.fail(f.node, f.inside()+key+" is missing", hint)
}

// Require reports a key that is missing or empty.
func (f *Field) Require(key, value, hint string) {
	if !f.Given(key) {
		f.Missing(key, hint)
		return
	}
	if child := f.Get(key); child != nil && value == "" {
		child.Fail("is empty", hint)
	}
}

// RefuseEmpty reports an empty list or mapping. open describes what it would
// allow.
func (f *Field) RefuseEmpty(key, open string) {
	if child := f.Get(key); child.IsEmpty() {
		child.Fail("is empty", "omit it "+open)
	}
}
