// Fields: what was decoded, with its place in the file and the name that messages
// call it by.

package yamldoc

import (
	"iter"
	"strconv"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// Field is one value of the file as it was decoded: the file as a whole, the value
// of a key, or an entry of a list. Validation asks it for what is below it, and
// reports problems through it: Fail, Reject and the like put the title of the field
// before what is wrong, and mark it as failed, so that one mistake is reported once.
// A nil Field is what the file does not have; it may be asked, and has nothing.
type Field struct {
	doc      *Document
	parent   *Field     // nil for the file
	key      *yaml.Node // nil for the file and for entries of lists
	node     *yaml.Node // aliases followed
	name     string     // the key, or what messages call the entry of a list; "" where that is what the list is called
	children []Field    // in the order of the file: the keys of a mapping, or the entries of a list
	// entries is what messages call the entries of a list, and the key that names
	// each: "route,name".
	entries string
}

// title names the field in messages: `route "query": prefix`.
func (f *Field) title() string {
	switch {
	case f.parent == nil:
		return ""
	case f.key == nil && f.name == "":
		return f.parent.title()
	case f.key == nil: // the name of an entry says which list it is in
		return f.parent.parent.inside() + f.name
	default:
		return f.parent.inside() + f.name
	}
}

// inside is what messages about something in the field begin with.
func (f *Field) inside() string {
	if f.parent == nil {
		return ""
	}
	return f.title() + ": "
}

// field returns the field under a key, whatever is wrong with its value, or nil.
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

// Get returns the field under a key, or nil when it is not there or has a problem.
func (f *Field) Get(key string) *Field {
	if child := f.field(key); child.Valid() {
		return child
	}
	return nil
}

// Valid reports whether the field is there and has no problem.
func (f *Field) Valid() bool { return f != nil && !f.doc.failed[f.node] }

// Entries goes through those entries of a list that have no problem.
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

// Keys goes through the keys of a mapping that have no problem. Their values may
// have one.
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

// IsPlain reports whether the file has one plain value here.
func (f *Field) IsPlain() bool { return f != nil && f.node.Kind == yaml.ScalarNode }

// IsMapping reports whether the file has a mapping here.
func (f *Field) IsMapping() bool { return f != nil && f.node.Kind == yaml.MappingNode }

// IsList reports whether the file has a list here.
func (f *Field) IsList() bool { return f != nil && f.node.Kind == yaml.SequenceNode }

// IsEmpty reports whether the file has a list or mapping here that holds nothing.
func (f *Field) IsEmpty() bool {
	return f != nil && f.node.Kind != yaml.ScalarNode && len(f.node.Content) == 0
}

// Text returns the plain value as it is in the file.
func (f *Field) Text() string { return f.node.Value }

// Line returns the line that the field begins at.
func (f *Field) Line() int { return f.node.Line }

// Name returns what messages call the field, without what it is in.
func (f *Field) Name() string { return f.name }

// Position returns the place that the field begins at.
func (f *Field) Position() problem.Position {
	return problem.Position{File: f.doc.file, Line: f.node.Line, Column: f.node.Column}
}

// Fail reports what is wrong with the field: `route "query": prefix` and what.
func (f *Field) Fail(what, hint string) { f.doc.fail(f.node, f.title()+" "+what, hint) }

// FailKey reports what is wrong with the field being there, at its key.
func (f *Field) FailKey(what, hint string) {
	if f.name == "" {
		f.doc.fail(f.key, f.parent.inside()+what, hint)
		return
	}
	f.doc.fail(f.key, f.title()+" "+what, hint)
}

// FailKind reports that the field should be something else, such as a list.
func (f *Field) FailKind(expected, hint string) {
	f.Fail("must be "+expected+", not "+kindOf(f.node), hint)
}

// FailValue reports what is wrong with the field, at the value of a key that is given.
func (f *Field) FailValue(key, what, hint string) {
	f.doc.fail(f.field(key).node, f.inside()+what, hint)
}

// Report reports a problem at the field, in full: its title is not put before it.
func (f *Field) Report(message, hint string) { f.doc.fail(f.node, message, hint) }

// FailAt reports what is wrong with the field, at a key of it where that is given.
func (f *Field) FailAt(key, what, hint string) {
	f.doc.fail(f.nodeAt(key), f.inside()+what, hint)
}

// nodeAt returns a key of the field, or the field where the key is not given: then
// the value comes from elsewhere, such as `defaults:`.
func (f *Field) nodeAt(key string) *yaml.Node {
	if child := f.field(key); child != nil {
		return child.key
	}
	return f.node
}

// Reject reports a fault of the field's value, which it repeats.
func (f *Field) Reject(fault *problem.Fault) { f.doc.reject(f.title(), f.node, fault) }

// RejectKey reports a fault of the field's key, which it repeats.
func (f *Field) RejectKey(fault *problem.Fault) { f.doc.reject(f.parent.title(), f.key, fault) }

// Warn reports what is worth a look, in full, at the field.
func (f *Field) Warn(message, hint string) {
	f.doc.add(problem.SeverityWarning, f.node.Line, f.node.Column, message, hint)
}

// WarnAt is like Warn, at a key of the field where that is given.
func (f *Field) WarnAt(key, message, hint string) {
	at := f.nodeAt(key)
	f.doc.add(problem.SeverityWarning, at.Line, at.Column, message, hint)
}

// Quoted returns the field's value for a message.
func (f *Field) Quoted() string {
	shown, _ := f.doc.shown(f.node)
	return shown
}

// Check rejects the plain value of a key when a rule finds fault with it.
func (f *Field) Check(key, value string, rule func(string) *problem.Fault) {
	child := f.Get(key)
	if child == nil {
		return
	}
	if fault := rule(value); fault != nil {
		child.Reject(fault)
	}
}

// CheckEach rejects those entries of the list under a key that a rule finds fault
// with, and those that are there twice.
func (f *Field) CheckEach(key string, values []string, rule func(string) *problem.Fault) {
	first := map[string]int{}
	for i, entry := range f.Get(key).Entries() {
		if i >= len(values) {
			break
		}
		fault := rule(values[i])
		if line, repeated := first[values[i]]; repeated {
			fault = &problem.Fault{Reason: "is listed twice", Hint: "first listed at line " + strconv.Itoa(line)}
		}
		first[values[i]] = entry.Line()
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

// Missing reports that a key is not there.
func (f *Field) Missing(key, hint string) {
	f.doc.fail(f.node, f.inside()+key+" is missing", hint)
}

// Require reports a key that is not there or empty.
func (f *Field) Require(key, value, hint string) {
	if !f.Given(key) {
		f.Missing(key, hint)
		return
	}
	if child := f.Get(key); child != nil && value == "" {
		child.Fail("is empty", hint)
	}
}

// RefuseEmpty reports a list or mapping that is there and has no entries. What it
// bounds is put into words by open, what would be let through.
func (f *Field) RefuseEmpty(key, open string) {
	if child := f.Get(key); child.IsEmpty() {
		child.Fail("is empty", "leave it out "+open)
	}
}
