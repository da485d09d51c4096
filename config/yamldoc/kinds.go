// This file finds the YAML of Go types: keys, kinds, and words for both.

package yamldoc

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

// Key is a key of a mapping, with the struct field that it is decoded into.
type Key struct {
	Name    string
	Index   []int  // of the struct field
	entries string // the name of its list's entries in messages, and the key that names each: "route,name"
}

// Keys returns the keys of a struct type in the order of its fields, including
// those of embedded structs. A field with the tag "-" has no key.
func (d *Decoder) Keys(t reflect.Type) []Key {
	if keys, ok := d.keys[t]; ok {
		return keys
	}
	var keys []Key
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			keys = append(keys, Key{name, f.Index, f.Tag.Get("entry")})
		}
	}
	d.keys[t] = keys
	return keys
}

// keyNames returns the names of a struct type's keys.
func (d *Decoder) keyNames(t reflect.Type) []string {
	keys := d.Keys(t)
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = key.Name
	}
	return names
}

// expected returns words for what a type is written as.
func (d *Decoder) expected(t reflect.Type) string {
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
	case reflect.TypeFor[value.Status]():
		return "a status"
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

// kindOf returns words for the kind of a node.
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
