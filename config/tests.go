// This file has the types of `tests:`: requests, and what must happen to them.

package config

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// Test is one expectation of the file about itself.
type Test struct {
	Position problem.Position `yaml:"-"`

	Request string            `yaml:"request"` // "METHOD target", such as "GET /api/v1/query/chats?limit=2"
	As      Caller            `yaml:"as"`
	Host    string            `yaml:"host"`    // that the request asks for; "" means localhost
	Headers map[string]string `yaml:"headers"` // of the request
	From    string            `yaml:"from"`    // the address of the connection; "" means 127.0.0.1
	Expect  Expectation       `yaml:"expect"`
}

// Caller is who sends the request of a test: one of the names in CallerNames, or
// a user with a good token.
type Caller struct {
	Name string `yaml:"-"` // "" for a user that the other fields describe

	Roles   []string      `yaml:"roles"`   // nil for the role of new users
	Company CallerCompany `yaml:"company"` // "" for the company of member
	Claims  Claims        `yaml:"claims"`  // of the token, besides role and company_id

	// Basic is the name of a user of an htpasswd file, who sends the right password
	// instead of a token.
	Basic string `yaml:"basic"`
}

// The names of callers.
const (
	CallerAnonymous = "anonymous" // sends no token
	CallerNewcomer  = "newcomer"  // sends a good token of a user without a company
	CallerMember    = "member"    // sends a good token of a user with a company
)

// CallerNames returns the names of callers.
func CallerNames() []string { return []string{CallerAnonymous, CallerNewcomer, CallerMember} }

// CallerCompany is the company in a caller's token, or NoCompany.
type CallerCompany string

// NoCompany is the company of a caller without one, `company: off`.
const NoCompany CallerCompany = "off"

// Claims are claims of a token, by name, in the types that Decoder.Any returns.
type Claims map[string]any

// Expectation is what must happen to the request of a test. Fields with zero
// values are not compared.
type Expectation struct {
	// Status is that of an answer of the gateway itself.
	Status value.Status `yaml:"status"`
	// To is where the request must pass: the name of a route, or the URL or the
	// path with the query that the backend is asked for.
	To string `yaml:"to"`
	// Header is what the backend would get; or, if the gateway itself answers, what
	// its answer has. An empty value stands for a header that is absent.
	Header map[string]string `yaml:"header"`
	// Location is the address of a redirect.
	Location string `yaml:"location"`
}

// DecodeField decodes `as:`, which is a name or a mapping.
func (c *Caller) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if f.IsPlain() {
		d.Scalar(f, reflect.ValueOf(&c.Name).Elem())
		return
	}
	if d.HasKind(f, reflect.TypeFor[Caller]()) {
		d.Mapping(f, reflect.ValueOf(c).Elem(), yamldoc.Except{})
	}
}

// DecodeField decodes a UUID or the word off, which tools may turn into false.
func (c *CallerCompany) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[string]()) {
		return
	}
	switch text, ok := d.Text(f); {
	case !ok:
	case slices.Contains([]string{"off", "false"}, strings.ToLower(text)):
		*c = NoCompany
	default:
		d.Scalar(f, reflect.ValueOf((*string)(c)).Elem())
	}
}

// DecodeField decodes claims of any type.
func (c *Claims) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[map[string]any]()) {
		return
	}
	*c, _ = d.Any(f).(map[string]any)
}

// DecodeField decodes `expect:`, which is a status, the name of a route, or a
// mapping.
func (e *Expectation) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !f.IsPlain() {
		if d.HasKind(f, reflect.TypeFor[Expectation]()) {
			d.Mapping(f, reflect.ValueOf(e).Elem(), yamldoc.Except{})
		}
		return
	}
	var word string
	d.Scalar(f, reflect.ValueOf(&word).Elem())
	if word != "" && strings.Trim(word, "0123456789") == "" {
		d.Scalar(f, reflect.ValueOf(&e.Status).Elem())
		return
	}
	e.To = word
}

var (
	_ yamldoc.FieldDecoder = (*Caller)(nil)
	_ yamldoc.FieldDecoder = (*CallerCompany)(nil)
	_ yamldoc.FieldDecoder = (*Claims)(nil)
	_ yamldoc.FieldDecoder = (*Expectation)(nil)
)

// IsWord reports whether the expectation is one word: a status or a target.
func (e *Expectation) IsWord() bool {
	return e.Location == "" && len(e.Header) == 0 && (e.Status == 0 || e.To == "")
}

// String returns the caller as `--as` reads it: a name, or a mapping in JSON.
func (c *Caller) String() string {
	if c.Name != "" {
		return c.Name
	}
	mapping := struct {
		Roles   []string      `json:"roles,omitempty"`
		Company CallerCompany `json:"company,omitempty"`
		Claims  Claims        `json:"claims,omitempty"`
		Basic   string        `json:"basic,omitempty"`
	}{c.Roles, c.Company, c.Claims, c.Basic}
	text, err := json.Marshal(mapping)
	if err != nil { // of a claim that no token can have
		return err.Error()
	}
	return string(text)
}

// ParseCaller parses a caller as in `as:`. The error has no positions.
func ParseCaller(text string) (Caller, error) {
	var parsed struct {
		As Caller `yaml:"as"`
	}
	doc := yamldoc.Parse("--as", []byte("as: "+text))
	d := yamldoc.NewDecoder(func(string) (string, bool) { return "", false }, keyHint)
	fields := d.Decode(doc, &parsed)
	if fields != nil {
		callerRules(fields, &parsed.As)
	}
	if problems := doc.Problems().Errors(); len(problems) > 0 {
		first := problem.Problem{Message: problems[0].Message, Hint: problems[0].Hint}
		return Caller{}, first
	}
	return parsed.As, nil
}
