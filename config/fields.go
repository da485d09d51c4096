// What the types of config.go say about their YAML: keys, kinds, words for both.

package config

import (
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// field is a key of a mapping and the struct field it is decoded into.
type field struct {
	key     string
	entries string // what messages call the entries of its list, and the key that names each: "route,name"
	index   []int
}

// fieldsOf returns the keys of a struct type in the order of its fields, those of
// embedded structs among them. A tag of "-" is not for the file.
func (d *decoder) fieldsOf(t reflect.Type) []field {
	if fields, ok := d.fields[t]; ok {
		return fields
	}
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key != "" && key != "-" {
			fields = append(fields, field{key, f.Tag.Get("entry"), f.Index})
		}
	}
	d.fields[t] = fields
	return fields
}

// keysOf returns the keys of a struct type.
func (d *decoder) keysOf(t reflect.Type) []string {
	fields := d.fieldsOf(t)
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// expected puts into words what is written for a type.
func (d *decoder) expected(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[url.URL](), reflect.TypeFor[*url.URL]():
		return "a URL"
	case reflect.TypeFor[netip.Prefix]():
		return "an address or a CIDR"
	case reflect.TypeFor[uuid.UUID]():
		return "a UUID"
	case reflect.TypeFor[time.Duration]():
		return "a duration"
	case reflect.TypeFor[value.Size]():
		return "a size"
	case reflect.TypeFor[value.Count]():
		return "a whole number"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.String:
		return "text"
	default:
		return "a mapping"
	}
}

// kindOf puts into words what a node is.
func kindOf(n *yaml.Node) string {
	n = resolveAlias(n)
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if isNull(n) {
			return "null"
		}
		return "the plain value " + problem.Quote(n.Value)
	default:
		return "nothing"
	}
}
