// This file decodes YAML nodes strictly into Go types, over defaults, by the
// `yaml` tags of the types. It guesses nothing and skips nothing: everything
// that the types do not know is a problem, and all problems are reported.

package yamldoc

import (
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// Decoder decodes a document into the types of its table, over defaults. Use it
// for one document only, because the defaults set on the way remain.
type Decoder struct {
	doc      *Document // the document that is decoded
	lookup   func(name string) (value string, found bool)
	refuse   func(name string) *problem.Fault        // see RefuseVariables; nil refuses none
	keyHint  func(key string, known []string) string // returns the hint for an unknown key
	defaults map[reflect.Type]reflect.Value
	keys     map[reflect.Type][]Key
}

// NewDecoder returns a Decoder. lookup returns the value of ${NAME}, and
// keyHint returns the hint for an unknown key, or "".
func NewDecoder(lookup func(name string) (string, bool), keyHint func(key string, known []string) string) *Decoder {
	return &Decoder{lookup: lookup, keyHint: keyHint, defaults: map[reflect.Type]reflect.Value{}, keys: map[reflect.Type][]Key{}}
}

// RefuseVariables refuses references to those variables of the environment for
// which rule returns a fault.
func (d *Decoder) RefuseVariables(rule func(name string) *problem.Fault) { d.refuse = rule }

// SetDefault sets the default for every value of the type that is decoded from
// now on.
func SetDefault[T any](d *Decoder, value T) {
	d.defaults[reflect.TypeFor[T]()] = reflect.ValueOf(value)
}

// ApplyDefault sets v to the default of its type, if there is one.
func (d *Decoder) ApplyDefault(v reflect.Value) {
	if value, found := d.defaults[v.Type()]; found {
		v.Set(value)
	}
}

// Decode decodes a document into the struct that into points to, as far as
// possible, and returns the field of the whole file. It returns nil when
// nothing could be decoded; the problems of the document say why.
func (d *Decoder) Decode(doc *Document, into any) *Field { return d.DecodeExcept(doc, into, Except{}) }

// DecodeExcept is like Decode, without some of the keys of the struct.
func (d *Decoder) DecodeExcept(doc *Document, into any, except Except) *Field {
	if doc.root == nil {
		return nil
	}
	d.doc = doc
	file := &Field{doc: doc, node: doc.root}
	d.Mapping(file, reflect.ValueOf(into).Elem(), except)
	return file
}

// FieldDecoder is a type with its own syntax.
type FieldDecoder interface {
	DecodeField(d *Decoder, f *Field)
}

// value decodes one field into v.
func (d *Decoder) value(f *Field, v reflect.Value) {
	if !d.hasValue(f) {
		return
	}
	if custom, ok := reflect.TypeAssert[FieldDecoder](v.Addr()); ok {
		custom.DecodeField(d, f)
		return
	}
	if v.Kind() == reflect.Pointer && v.Type().Implements(reflect.TypeFor[FieldDecoder]()) {
		v.Set(reflect.New(v.Type().Elem()))
		d.value(f, v.Elem())
		return
	}
	if IsScalar(v.Type()) {
		d.Scalar(f, v)
		return
	}
	if !d.HasKind(f, v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(f, v.Elem())
	case reflect.Struct:
		d.Mapping(f, v, Except{})
	case reflect.Slice:
		d.List(f, v)
	case reflect.Map:
		d.Table(f, v)
	default:
		panic("yamldoc: no way to decode a " + v.Type().String())
	}
}

// hasValue refuses a key without a value, and tags, which could change the type
// of a value invisibly.
func (d *Decoder) hasValue(f *Field) bool {
	switch {
	case isNull(f.node):
		f.Fail("has no value", "give it a value, or omit it")
	case isTagged(f.node):
		d.doc.fail(f.node, f.title()+": the tag "+problem.Quote(f.node.Tag)+" has no meaning here", "remove the tag")
	default:
		return true
	}
	return false
}

// isTagged reports whether a node has a tag with an effect.
func isTagged(n *yaml.Node) bool {
	return n.Style&yaml.TaggedStyle != 0 && (n.Tag != "!!str" || n.Kind != yaml.ScalarNode)
}

// isNull reports whether YAML reads a node as null: an empty value, ~ or null.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// HasKind refuses a node of the wrong kind, such as a list in place of a
// mapping.
func (d *Decoder) HasKind(f *Field, t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	want, hint := yaml.ScalarNode, ""
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		want = yaml.MappingNode
		if !IsScalar(t) && f.node.Kind != want {
			hint = d.keysHint(f.node, t)
		}
	case reflect.Slice:
		want = yaml.SequenceNode
		if f.node.Kind == yaml.ScalarNode && mayBePlain(t.Elem()) && !strings.Contains(f.node.Value, "${") {
			hint = "write [" + asListEntry(f.node) + "]"
			if saysOff(f.node) {
				hint = "omit it; write [] if that leaves a default"
			}
		}
	}
	if IsScalar(t) {
		want = yaml.ScalarNode
	}
	if f.node.Kind == want {
		return true
	}
	f.FailKind(d.expected(t), hint)
	return false
}

// saysOff reports whether a plain value means that there is nothing.
func saysOff(n *yaml.Node) bool {
	return slices.Contains([]string{"off", "false", "no", "none"}, strings.ToLower(n.Value))
}

// mayBePlain reports whether a value of the type can be written as plain text.
func mayBePlain(t reflect.Type) bool {
	return IsScalar(t) || reflect.PointerTo(t).Implements(reflect.TypeFor[FieldDecoder]())
}

// asListEntry returns a plain value as it can be written between [ and ].
func asListEntry(n *yaml.Node) string {
	if strings.Trim(n.Value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_:-") != "" || ambiguous(n) != nil {
		return problem.Quote(n.Value)
	}
	return problem.Redact(problem.Truncate(n.Value))
}

// keysHint returns the hint for a value in place of a mapping. A plain value is probably
// that of the key whose field has the value's YAML tag in `plain`.
func (d *Decoder) keysHint(n *yaml.Node, t reflect.Type) string {
	if t.Kind() != reflect.Struct {
		return "write it as `key: value`"
	}
	isWord := n.Kind == yaml.ScalarNode && !saysOff(n) && !strings.Contains(n.Value, " ")
	for field := range t.Fields() {
		if isWord && field.Tag.Get("plain") == n.Tag {
			return "write {" + field.Tag.Get("yaml") + ": " + asListEntry(n) + "}"
		}
	}
	return "its keys are " + strings.Join(d.keyNames(t), ", ")
}

// Except lists keys of a struct that a mapping must not have.
type Except struct {
	Keys       []string
	What, Hint string // the words of messages about them
}

// Mapping decodes a YAML mapping into a struct, without some of its keys. It
// decodes fields in the order of the type, not of the file.
func (d *Decoder) Mapping(f *Field, v reflect.Value, except Except) {
	d.ApplyDefault(v)
	known := slices.DeleteFunc(d.keyNames(v.Type()), func(key string) bool { return slices.Contains(except.Keys, key) })
	f.children = make([]Field, 0, len(f.node.Content)/2)
	for key, value := range d.pairs(f) {
		switch {
		case slices.Contains(known, key.Value):
			f.add(key, value)
		case slices.Contains(except.Keys, key.Value):
			d.doc.fail(key, f.inside()+problem.Quote(key.Value)+" "+except.What, except.Hint)
		default:
			d.doc.fail(key, f.inside()+"unknown key "+problem.Quote(key.Value), d.keyHint(key.Value, known))
		}
	}
	for _, k := range d.Keys(v.Type()) {
		if given := f.field(k.Name); given != nil {
			given.entries = k.entries
			d.value(given, v.FieldByIndex(k.Index))
		}
	}
	if position := v.FieldByName("Position"); position.IsValid() && position.Type() == reflect.TypeFor[problem.Position]() {
		position.Set(reflect.ValueOf(f.Position()))
	}
}

// pairs yields each key of a mapping once, and refuses merges and duplicates.
func (d *Decoder) pairs(f *Field) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		content := f.node.Content
		lines := make(map[string]int, len(content)/2)
		for i := 0; i+1 < len(content); i += 2 {
			key := resolveAlias(content[i])
			first, repeated := lines[key.Value]
			switch {
			case key.Kind != yaml.ScalarNode:
				d.doc.fail(key, f.inside()+"a key must be text, not "+kindOf(key), "")
			case key.Tag == "!!merge":
				d.doc.fail(key, f.inside()+"merge keys (`<<`) are not supported", "put what routes share under `defaults:`")
			case repeated:
				d.doc.fail(key, f.inside()+"key "+problem.Quote(key.Value)+" is given twice", "first given at line "+strconv.Itoa(first))
			default:
				lines[key.Value] = key.Line
				if !yield(key, content[i+1]) {
					return
				}
			}
		}
	}
}

// List decodes a YAML list. The slice also has entries for those with a
// problem, so that both have the same indexes.
func (d *Decoder) List(f *Field, v reflect.Value) {
	v.Set(reflect.MakeSlice(v.Type(), len(f.node.Content), len(f.node.Content)))
	f.children = make([]Field, len(f.node.Content))
	mappings := v.Type().Elem().Kind() == reflect.Struct && !IsScalar(v.Type().Elem())
	for i, node := range f.node.Content {
		entry := &f.children[i]
		*entry = Field{doc: f.doc, parent: f, node: resolveAlias(node)}
		if !mappings {
			d.value(entry, v.Index(i))
			continue
		}
		entry.name = f.entryName(i, entry.node)
		if _, custom := reflect.TypeAssert[FieldDecoder](v.Index(i).Addr()); custom {
			d.value(entry, v.Index(i))
			continue
		}
		if d.hasValue(entry) && d.HasKind(entry, v.Type().Elem()) {
			d.Mapping(entry, v.Index(i), Except{})
		}
	}
}

// entryName returns the name of an entry of a list in messages: `route
// "query"`, or `route 3` when it has no name.
func (f *Field) entryName(index int, n *yaml.Node) string {
	noun, key, _ := strings.Cut(f.entries, ",")
	if noun == "" {
		noun = f.name
	}
	if name := scalarUnder(n, key); name != "" {
		return noun + " " + problem.Quote(name)
	}
	return noun + " " + strconv.Itoa(index+1)
}

// scalarUnder returns the text of a key of a mapping, or "".
func scalarUnder(n *yaml.Node, key string) string {
	if n.Kind != yaml.MappingNode || key == "" {
		return ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := resolveAlias(n.Content[i]), resolveAlias(n.Content[i+1])
		if k.Kind == yaml.ScalarNode && k.Value == key && k.Tag != "!!merge" {
			if value.Kind != yaml.ScalarNode {
				return ""
			}
			return value.Value
		}
	}
	return ""
}

// Table decodes a YAML mapping whose keys the operator chooses into a map.
func (d *Decoder) Table(f *Field, v reflect.Value) {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(f.node.Content)/2))
	f.children = make([]Field, 0, len(f.node.Content)/2)
	for key, value := range d.pairs(f) {
		entry := f.add(key, value)
		if fault := ambiguous(key); fault != nil {
			entry.RejectKey(fault)
			continue
		}
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(entry, element)
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), element)
	}
}

// Scalar decodes one plain value.
func (d *Decoder) Scalar(f *Field, v reflect.Value) {
	if !d.HasKind(f, v.Type()) {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	escape := func(value string) string { return value }
	if escaper, ok := reflect.TypeAssert[VariableEscaper](v); ok {
		escape = escaper.EscapeVariable
	}
	text, ok := d.text(f, escape)
	if !ok {
		return
	}
	if v.Kind() == reflect.String {
		if fault := ambiguous(f.node); fault != nil {
			f.Reject(fault)
			return
		}
	}
	if fault := parseScalar(text, v); fault != nil {
		f.Reject(fault)
	}
}

// Text returns the text of a scalar with variables replaced.
func (d *Decoder) Text(f *Field) (string, bool) {
	return d.text(f, func(value string) string { return value })
}

// VariableEscaper is a type of text with a syntax of its own. The values of variables are
// escaped, so that they are never read as that syntax.
type VariableEscaper interface {
	EscapeVariable(value string) string
}

// text is Text, with the values of variables escaped.
func (d *Decoder) text(f *Field, escape func(value string) string) (string, bool) {
	d.doc.hideSecretLines(f.node)
	text, reference, fault := expand(f.node.Value, func(name string) (string, bool) {
		value, found := d.lookup(name)
		return escape(value), found
	}, d.refuse)
	if fault != nil {
		f.Reject(fault)
		return "", false
	}
	if reference {
		d.doc.expanded[f.node] = text
	}
	return text, true
}

// IsScalar reports whether a type is written as one plain value.
func IsScalar(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[*url.URL](), reflect.TypeFor[url.URL](), reflect.TypeFor[netip.Prefix](),
		reflect.TypeFor[uuid.UUID](), reflect.TypeFor[time.Duration](), reflect.TypeFor[value.Size](), reflect.TypeFor[value.Count](), reflect.TypeFor[value.Status]():
		return true
	}
	return t.Kind() == reflect.String || t.Kind() == reflect.Bool
}
