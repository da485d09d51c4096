// Decoding strictly: from YAML nodes into the types of config.go, over the
// defaults, by the types' own `yaml` tags. Nothing is guessed and nothing is
// passed over: what the types do not know is a problem, and all are reported.

package config

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

// document is the file as written: a Config, and what its routes start from.
type document struct {
	Defaults routeDefaults `yaml:"defaults"`
	Config
}

// decoder carries what decoding needs from node to node.
type decoder struct {
	*report
	lookup func(name string) (value string, found bool)
	route  Route // what every route starts from
	fields map[reflect.Type][]field
}

// decode returns what the file says, as far as it can be understood, and what its
// `defaults:` make of a route.
func decode(r *report, root *yaml.Node, lookup func(name string) (string, bool)) (*Config, Route) {
	d := &decoder{report: r, lookup: lookup, route: builtInRoute(), fields: map[reflect.Type][]field{}}
	var file document
	d.mapping(root, "", reflect.ValueOf(&file).Elem())
	normalize(&file.Config)
	return &file.Config, d.route
}

// customDecoder is a type with a spelling of its own.
type customDecoder interface {
	decodeNode(d *decoder, n *yaml.Node, at place)
}

// value decodes one node into v.
func (d *decoder) value(n *yaml.Node, at place, v reflect.Value) {
	n = resolveAlias(n)
	if !d.hasValue(n, at) {
		return
	}
	if custom, ok := reflect.TypeAssert[customDecoder](v.Addr()); ok {
		custom.decodeNode(d, n, at)
		return
	}
	if isScalar(v.Type()) {
		d.scalar(n, at, v)
		return
	}
	if !d.hasKind(n, at, v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, at, v.Elem())
	case reflect.Struct:
		d.mapping(n, at.inside(), v)
	case reflect.Slice:
		d.list(n, at, v)
	case reflect.Map:
		d.table(n, at, v)
	default:
		panic("config: no way to decode a " + v.Type().String())
	}
}

// hasValue refuses a key without a value, and tags, which could turn a value
// into something it does not look like.
func (d *decoder) hasValue(n *yaml.Node, at place) bool {
	switch {
	case isNull(n):
		d.fail(n, at.within+at.key+" has no value", "give it one, or leave it out")
	case isTagged(n):
		d.fail(n, at.within+at.key+": the tag "+problem.Quote(n.Tag)+" means nothing here", "remove the tag")
	default:
		return true
	}
	return false
}

// isTagged says whether a node has a tag that is not without effect.
func isTagged(n *yaml.Node) bool {
	return n.Style&yaml.TaggedStyle != 0 && (n.Tag != "!!str" || n.Kind != yaml.ScalarNode)
}

// isNull says whether YAML reads a node as null: nothing at all, ~ or null.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// hasKind refuses a list where a mapping belongs, and the like.
func (d *decoder) hasKind(n *yaml.Node, at place, t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	want, hint := yaml.ScalarNode, ""
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		want = yaml.MappingNode
		if !isScalar(t) && n.Kind != want {
			hint = d.keysHint(t)
		}
	case reflect.Slice:
		want = yaml.SequenceNode
		if n.Kind == yaml.ScalarNode && isScalar(t.Elem()) && !strings.Contains(n.Value, "${") {
			hint = "write [" + asListEntry(n) + "]"
		}
	}
	if isScalar(t) {
		want = yaml.ScalarNode
	}
	if n.Kind == want {
		return true
	}
	d.fail(n, at.within+at.key+" must be "+d.expected(t)+", not "+kindOf(n), hint)
	return false
}

// asListEntry writes a plain value as it can stand between [ and ].
func asListEntry(n *yaml.Node) string {
	if strings.Trim(n.Value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_:-") != "" || ambiguous(n) != nil {
		return problem.Quote(n.Value)
	}
	return problem.Redact(problem.Truncate(n.Value))
}

func (d *decoder) keysHint(t reflect.Type) string {
	if t.Kind() != reflect.Struct {
		return "write it as `key: value`"
	}
	return "its keys are " + strings.Join(d.keysOf(t), ", ")
}

// mapping decodes a YAML mapping into a struct, leaving out the keys named in
// except. Fields are decoded in the order of the type, not of the file.
func (d *decoder) mapping(n *yaml.Node, within string, v reflect.Value, except ...string) {
	d.setDefaults(v)
	fields := d.fieldsOf(v.Type())
	known := slices.DeleteFunc(d.keysOf(v.Type()), func(key string) bool { return slices.Contains(except, key) })
	given := map[string]*yaml.Node{}
	for key, value := range d.pairs(n, within) {
		switch {
		case slices.Contains(known, key.Value):
			given[key.Value] = value
		case slices.Contains(except, key.Value):
			d.fail(key, within+problem.Quote(key.Value)+" has no default", "give it to each route")
		default:
			d.fail(key, within+"unknown key "+problem.Quote(key.Value), keyHint(key.Value, known))
		}
	}
	for _, f := range fields {
		if value, ok := given[f.key]; ok {
			d.value(value, place{within, f.key}, v.FieldByIndex(f.index))
		}
	}
	if position := v.FieldByName("Position"); position.IsValid() && position.Type() == reflect.TypeFor[problem.Position]() {
		position.Set(reflect.ValueOf(problem.Position{File: d.file, Line: n.Line, Column: n.Column}))
	}
}

// pairs goes through a mapping, each key once, refusing merges and repetitions.
func (d *decoder) pairs(n *yaml.Node, within string) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		lines := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := resolveAlias(n.Content[i])
			first, repeated := lines[key.Value]
			switch {
			case key.Kind != yaml.ScalarNode:
				d.fail(key, within+"a key must be text, not "+kindOf(key), "")
			case key.Tag == "!!merge":
				d.fail(key, within+"merge keys (`<<`) are not supported", "put what routes share under `defaults:`")
			case repeated:
				d.fail(key, within+"key "+problem.Quote(key.Value)+" is given twice", "first given at line "+strconv.Itoa(first))
			default:
				lines[key.Value] = key.Line
				if !yield(key, n.Content[i+1]) {
					return
				}
			}
		}
	}
}

// list decodes a YAML list. The slice has an entry for each of the list, also
// for those with a problem, so that validation finds the node of an entry.
func (d *decoder) list(n *yaml.Node, at place, v reflect.Value) {
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, node := range n.Content {
		node = resolveAlias(node)
		if v.Type().Elem().Kind() != reflect.Struct || isScalar(v.Type().Elem()) {
			d.value(node, at, v.Index(i))
			continue
		}
		entry := place{at.within, label(at.key, i, node)}
		if d.hasValue(node, entry) && d.hasKind(node, entry, v.Type().Elem()) {
			d.mapping(node, entry.inside(), v.Index(i))
		}
	}
}

// label calls an entry of a list what an operator calls it.
func label(key string, index int, n *yaml.Node) string {
	noun, title := key, ""
	switch key {
	case "routes":
		noun, title = "route", "name"
	case "tokens":
		noun, title = "issuer", "issuer"
	case "tests":
		noun = "test"
	}
	if name := child(n, title); name != nil && name.Kind == yaml.ScalarNode && name.Value != "" {
		return noun + " " + problem.Quote(name.Value)
	}
	return noun + " " + strconv.Itoa(index+1)
}

// table decodes a YAML mapping with keys of the operator's choice.
func (d *decoder) table(n *yaml.Node, at place, v reflect.Value) {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Content)/2))
	for key, value := range d.pairs(n, at.inside()) {
		if f := ambiguous(key); f != nil {
			d.reject(place{at.within, at.key}, key, f)
			continue
		}
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(value, place{at.inside(), key.Value}, element)
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), element)
	}
}

// scalar decodes one plain value.
func (d *decoder) scalar(n *yaml.Node, at place, v reflect.Value) {
	if !d.hasKind(n, at, v.Type()) {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	text, ok := d.textOf(n, at)
	if !ok {
		return
	}
	// To a policy written off or no, validation has the policies to answer.
	if v.Kind() == reflect.String && v.Type() != reflect.TypeFor[Policy]() {
		if f := ambiguous(n); f != nil {
			d.reject(at, n, f)
			return
		}
	}
	if f := parseScalar(text, v); f != nil {
		d.reject(at, n, f)
	}
}

// textOf returns the text of a scalar with the environment in it.
func (d *decoder) textOf(n *yaml.Node, at place) (string, bool) {
	d.hideSecretLines(n)
	text, reference, f := expand(n.Value, d.lookup)
	if f != nil {
		d.reject(at, n, f)
		return "", false
	}
	if reference {
		d.expanded[n] = text
	}
	return text, true
}

// isScalar says whether a type is written as one plain value.
func isScalar(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[*url.URL](), reflect.TypeFor[url.URL](), reflect.TypeFor[netip.Prefix](),
		reflect.TypeFor[uuid.UUID](), reflect.TypeFor[time.Duration](), reflect.TypeFor[value.Size](), reflect.TypeFor[value.Count]():
		return true
	}
	return t.Kind() == reflect.String || t.Kind() == reflect.Bool
}
