// This file has the keywords of JSON Schema (draft 2020-12) that the schema of
// a table uses.

package schema

import (
	"bytes"
	"encoding/json"
)

// schema is one JSON Schema. Its fields are in the order in which they are
// written. Empty fields are not written.
type schema struct {
	Dialect     string `json:"$schema,omitempty"`
	Comment     string `json:"$comment,omitempty"`
	Ref         string `json:"$ref,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Default     any    `json:"default,omitempty"`
	Examples    []any  `json:"examples,omitempty"`

	Type      any      `json:"type,omitempty"` // a name or a list of names
	Const     any      `json:"const,omitempty"`
	Enum      []string `json:"enum,omitempty"`
	Pattern   string   `json:"pattern,omitempty"` // means the same to ECMA-262 and to RE2
	MinLength int      `json:"minLength,omitempty"`
	MaxLength int      `json:"maxLength,omitempty"`
	Minimum   *int     `json:"minimum,omitempty"`
	Maximum   *int     `json:"maximum,omitempty"`

	Properties           properties          `json:"properties,omitempty"`
	Required             []string            `json:"required,omitempty"`
	AdditionalProperties any                 `json:"additionalProperties,omitempty"` // false or a *schema
	PropertyNames        *schema             `json:"propertyNames,omitempty"`
	MinProperties        int                 `json:"minProperties,omitempty"`
	MaxProperties        *int                `json:"maxProperties,omitempty"`
	DependentRequired    map[string][]string `json:"dependentRequired,omitempty"`

	Items       *schema `json:"items,omitempty"`
	MinItems    int     `json:"minItems,omitempty"`
	MaxItems    *int    `json:"maxItems,omitempty"`
	UniqueItems bool    `json:"uniqueItems,omitempty"`

	AnyOf []*schema  `json:"anyOf,omitempty"`
	OneOf []*schema  `json:"oneOf,omitempty"`
	AllOf []*schema  `json:"allOf,omitempty"`
	Not   *schema    `json:"not,omitempty"`
	If    *schema    `json:"if,omitempty"`
	Then  *schema    `json:"then,omitempty"`
	Defs  properties `json:"$defs,omitempty"`
}

// property is a schema under a name.
type property struct {
	name   string
	schema *schema
}

// properties is a JSON object that keeps its order, in which an editor offers
// the keys.
type properties []property

// MarshalJSON implements json.Marshaler.
func (p properties) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, entry := range p {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := marshalPlain(entry.name)
		if err != nil {
			return nil, err
		}
		value, err := marshalPlain(entry.schema)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// marshalPlain returns JSON with &, < and > unescaped, because people read
// patterns, too.
func marshalPlain(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// ref returns a reference to an entry of $defs.
func ref(name string) *schema { return &schema{Ref: "#/$defs/" + name} }

// anyOf returns a schema that accepts what one of the options accepts.
func anyOf(options ...*schema) *schema { return &schema{AnyOf: options} }

// given returns a schema that accepts an object in which the key has an
// accepted value.
func given(key string, value *schema) *schema {
	return &schema{Required: []string{key}, Properties: properties{{key, value}}}
}
