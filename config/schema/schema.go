// Package schema makes the JSON Schema of a table, with which an editor marks
// mistakes while the table is written. It uses the types of package config and
// the decoder that reads tables, so keys, types and defaults are always the
// same.
//
//	schema.go       schemas from types
//	notes.go        the description of each key, and its values besides their type
//	notes_route.go  the same for the keys of a route
//	notes_backends.go  and for `backends:`
//	notes_tests.go  and for `tests:`
//	values.go       the schemas of plain values
//	patterns.go     patterns of plain values
//	conditions.go   combinations of keys
//	keyword.go      the keywords of JSON Schema
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/config"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// Generate returns the JSON Schema (draft 2020-12) of routes.yaml, as committed
// in routes.schema.json. The schema accepts everything that config.Parse
// accepts. It also accepts some tables that Parse refuses: it cannot check
// combinations of several keys, the environment, and plain words that YAML
// reads as another type. The error names keys without a note.
func Generate() ([]byte, error) {
	b := &builder{
		Decoder:   config.NewDecoder(nil),
		notes:     keyNotes(),
		described: map[string]bool{},
	}
	root := b.object("", reflect.New(reflect.TypeFor[config.File]()).Elem())
	root.Dialect = "https://json-schema.org/draft/2020-12/schema"
	root.Comment = "Generated from the types of package config: go test ./config/schema -run TestSchemaFile -update"
	root.Title = "routes.yaml"
	root.Description = "The route table of Gatehouse. `gatehouse check` says all that is wrong with it. " +
		"In every value ${NAME} stands for a variable of the environment, ${NAME:-x} has a default."
	root.AllOf = tableConditions()
	root.AnyOf = tableContents()
	root.Defs = append(valueSchemas(), b.defs...)
	for path := range b.notes {
		if !b.described[path] {
			b.missing = append(b.missing, path+" (described, but no key)")
		}
	}
	if len(b.missing) > 0 {
		slices.Sort(b.missing)
		return nil, fmt.Errorf("describe the keys of the table: %s", strings.Join(b.missing, ", "))
	}
	written, err := marshalPlain(root)
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, written, "", "  "); err != nil {
		return nil, fmt.Errorf("indent the schema: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// builder goes through the types as the decoder does. It identifies each key by
// its path, such as `routes.tls.ca`.
type builder struct {
	*yamldoc.Decoder
	notes     map[string]note
	described map[string]bool // notes that a key used
	missing   []string
	defs      properties
}

// object returns the schema of a struct. v holds the defaults of the fields.
func (b *builder) object(path string, v reflect.Value) *schema {
	b.ApplyDefault(v)
	s := &schema{Type: "object", AdditionalProperties: false}
	for _, f := range b.Keys(v.Type()) {
		at := strings.TrimPrefix(path+"."+f.Name, ".")
		n, found := b.notes[at]
		if !found {
			b.missing = append(b.missing, at)
		}
		b.described[at] = true
		s.Properties = append(s.Properties, property{f.Name, b.property(at, n, v.FieldByIndex(f.Index))})
		if n.required {
			s.Required = append(s.Required, f.Name)
		}
	}
	s.AllOf = conditions(path)
	return s
}

// property returns the schema of a key, with its note.
func (b *builder) property(path string, n note, v reflect.Value) *schema {
	s := b.typeSchema(path, n, v)
	s.Title, s.Description, s.Examples = n.title, n.description, n.examples
	s.Default = defaultOf(v)
	return s
}

// typeSchema returns the schema of a value by its type.
func (b *builder) typeSchema(path string, n note, v reflect.Value) *schema {
	t := v.Type()
	switch {
	case t == reflect.TypeFor[config.RouteDefaults]():
		return b.routeDefaults()
	case t == reflect.TypeFor[config.Users]():
		return mappingOrOff(b.object(path, v))
	case t == reflect.TypeFor[*config.BackendRef]():
		if path == "routes.backend" {
			return backendRefValue()
		}
		return oneBackendValue()
	case t == reflect.TypeFor[*config.HashKey]():
		return anyOf(&schema{Const: "client_ip"}, b.object(path, reflect.New(t.Elem()).Elem()), ref("reference"))
	case t == reflect.TypeFor[*config.CORS](), t == reflect.TypeFor[*config.Passive](), t == reflect.TypeFor[*config.Retry]():
		return mappingOrOff(b.object(path, reflect.New(t.Elem()).Elem()))
	case t == reflect.TypeFor[*config.TableHeaders]():
		rules := b.object(path, reflect.New(t.Elem()).Elem())
		rules.MinProperties = 1
		return anyOf(&schema{Type: "object", PropertyNames: n.keys, AdditionalProperties: plainValue(reflect.TypeFor[string](), n), MinProperties: 1}, rules)
	case t == reflect.TypeFor[config.Codings]():
		return anyOf(&schema{Type: "boolean"}, matching(trueOrOffPattern), &schema{Type: "array", Items: plainValue(t.Elem(), n), MinItems: 1, UniqueItems: true})
	case t == reflect.TypeFor[config.Audiences]():
		return anyOf(plainValue(t, n), &schema{Type: "array", Items: plainValue(t, n), MinItems: 1, UniqueItems: true})
	case t == reflect.TypeFor[config.Caller](), t == reflect.TypeFor[config.Expectation]():
		mapping := b.object(path, v)
		mapping.MinProperties = 1
		return anyOf(n.value(), mapping)
	case t == reflect.TypeFor[config.Claims]():
		return &schema{Type: "object", MinProperties: 1, PropertyNames: n.keys}
	case t == reflect.TypeFor[config.AddressList]():
		return &schema{Type: "array", Items: plainValue(t, n), UniqueItems: n.unique}
	case t == reflect.TypeFor[[]config.StatusRange]():
		return &schema{Type: "array", Items: plainValue(t, n), MinItems: 1}
	case yamldoc.IsScalar(t), t == reflect.TypeFor[config.Basic](), t == reflect.TypeFor[config.Percent]():
		return plainValue(t, n)
	case t.Kind() == reflect.Pointer && yamldoc.IsScalar(t.Elem()):
		return plainValue(t.Elem(), n)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return b.object(path, reflect.New(t.Elem()).Elem())
	case reflect.Struct:
		return b.object(path, v)
	case reflect.Map:
		s := &schema{Type: "object", PropertyNames: n.keys}
		if t.Elem().Kind() == reflect.Pointer {
			s.AdditionalProperties = b.object(path, reflect.New(t.Elem().Elem()).Elem())
		} else {
			s.AdditionalProperties = plainValue(t.Elem(), n)
		}
		if n.notEmpty {
			s.MinProperties = 1
		}
		return s
	case reflect.Slice:
		s := &schema{Type: "array", UniqueItems: n.unique}
		if n.notEmpty {
			s.MinItems = 1
		}
		if yamldoc.IsScalar(t.Elem()) {
			s.Items = plainValue(t.Elem(), n)
			return s
		}
		name := strings.ToLower(t.Elem().Name())
		b.defs = append(b.defs, property{name, b.object(path, reflect.New(t.Elem()).Elem())})
		s.Items = ref(name)
		switch t.Elem() {
		case reflect.TypeFor[config.Include]():
			s.Items = anyOf(includedFiles(), ref(name))
		case reflect.TypeFor[config.Server]():
			s.Items = anyOf(matching(backendPattern), ref(name))
		}
		return s
	default:
		panic("schema: no schema for a " + t.String())
	}
}

// routeDefaults returns the schema of `defaults:`: the keys of a route without
// those that make it one.
func (b *builder) routeDefaults() *schema {
	s := &schema{Type: "object", AdditionalProperties: false}
	for _, key := range b.Keys(reflect.TypeFor[config.Route]()) {
		if !slices.Contains(config.RouteOnlyKeys(), key.Name) {
			s.Properties = append(s.Properties, property{key.Name, ref("route/properties/" + key.Name)})
		}
	}
	return s
}

// mappingOrOff returns a schema for a mapping or the word off, which tools that
// read YAML 1.1 write as false.
func mappingOrOff(mapping *schema) *schema {
	return anyOf(mapping, &schema{Const: "off"}, &schema{Const: false}, &schema{Type: "string", Pattern: offPattern}, ref("reference"))
}

// plainValue returns the schema of one plain value.
func plainValue(t reflect.Type, n note) *schema {
	if n.value != nil {
		return n.value()
	}
	switch t {
	case reflect.TypeFor[netip.Prefix]():
		return ref("network")
	case reflect.TypeFor[uuid.UUID]():
		return ref("uuid")
	case reflect.TypeFor[time.Duration]():
		return ref("duration")
	case reflect.TypeFor[value.Size]():
		return ref("size")
	case reflect.TypeFor[value.Count]():
		return ref("count")
	case reflect.TypeFor[*url.URL](), reflect.TypeFor[url.URL]():
		return matching(backendPattern)
	}
	if t.Kind() == reflect.Bool {
		return ref("boolean")
	}
	return ref("text")
}

// defaultOf returns the default of a value, or nil when it has none.
func defaultOf(v reflect.Value) any {
	switch value := v.Interface().(type) {
	case time.Duration:
		return shortDuration(value)
	case value.Size:
		return int64(value)
	case value.Count:
		return int64(value)
	case value.Status:
		return int64(value)
	case config.Percent:
		return value.String()
	case []config.StatusRange:
		return texts(value)
	}
	switch {
	case v.Kind() == reflect.Bool:
		return v.Bool()
	case v.Kind() == reflect.String && v.Len() > 0:
		return v.String()
	case (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() > 0:
		return v.Interface()
	}
	return nil
}

// texts returns ranges as they are written, or nil for none.
func texts(ranges []config.StatusRange) any {
	if len(ranges) == 0 {
		return nil
	}
	list := make([]string, len(ranges))
	for i, r := range ranges {
		list[i] = r.String()
	}
	return list
}

// shortDuration formats a duration as an operator would write it: 5m, not 5m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if shorter, found := strings.CutSuffix(text, zero); found && strings.TrimRight(shorter, "hm") != shorter {
			text = shorter
		}
	}
	return text
}
