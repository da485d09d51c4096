// This file has the codings of `compress`.

package config

import (
	"reflect"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// Coding is a content coding (RFC 9110 section 8.4.1), by its name in Content-Encoding.
type Coding string

// The codings that answers may be compressed with.
const (
	CodingZstd   Coding = "zstd" // RFC 8878
	CodingBrotli Coding = "br"   // RFC 7932
	CodingGzip   Coding = "gzip" // RFC 1952
)

// AllCodings returns the codings of `compress: true`, the preferred ones first.
func AllCodings() Codings { return Codings{CodingZstd, CodingBrotli, CodingGzip} }

// Codings are the value of `compress`: true, off, or a list.
type Codings []Coding

// DecodeField decodes `compress:`.
func (c *Codings) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if f.IsList() {
		d.List(f, reflect.ValueOf(c).Elem())
		return
	}
	if !f.IsPlain() {
		f.FailKind("true, off or a list", "such as [zstd, gzip]")
		return
	}
	text, ok := d.Text(f)
	if !ok {
		return
	}
	switch word := strings.ToLower(text); word {
	case "true":
		*c = AllCodings()
	case "off", "false":
		*c = nil
	default:
		hint := "write `compress: true`"
		switch {
		case codingRule(word) == nil:
			hint = "write `compress: [" + word + "]`"
		case word == "no" || word == "none" || word == "n":
			hint = "write `compress: off`"
		}
		f.Reject(&problem.Fault{Reason: "must be true, off or a list", Hint: hint})
	}
}

var _ yamldoc.FieldDecoder = (*Codings)(nil)

// names returns the codings as text.
func (c Codings) names() []string {
	names := make([]string, len(c))
	for i, coding := range c {
		names[i] = string(coding)
	}
	return names
}

// String returns the codings as a list.
func (c Codings) String() string { return strings.Join(c.names(), ", ") }

// codings checks the value of `compress`.
func (v *validator) codings(field *yamldoc.Field, route *Route) {
	if given := field.Get("compress"); given.IsEmpty() {
		given.Fail("is empty", "write `compress: off` to compress nothing")
		return
	}
	field.CheckEach("compress", route.Compress.names(), codingRule)
}

func codingRule(name string) *problem.Fault {
	if name == "brotli" {
		return &problem.Fault{Reason: "unknown coding", Hint: "write br"}
	}
	return problem.OneOf("coding", name, AllCodings().names()...)
}
