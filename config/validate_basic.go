// This file has the rules for basic authentication.

package config

import (
	"reflect"

	"gatehouse/config/yamldoc"
)

// DecodeField decodes the path of the file.
func (b *Basic) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !f.IsPlain() {
		f.FailKind("text", "the path alone, such as basic: internal.htpasswd")
		return
	}
	d.Scalar(f, reflect.ValueOf(&b.File).Elem())
}

var _ yamldoc.FieldDecoder = (*Basic)(nil)

// basic checks the file of users of a route, and that the route has no other
// way to know its callers.
func (v *validator) basic(field *yamldoc.Field, route *Route) {
	if !field.Given("basic") || route.Handler != "" { // a handler has neither
		return
	}
	field.Check("basic", route.Basic.File, fileRule)
	switch {
	case route.Auth == PolicyNone:
	case field.Given("auth"):
		field.Forbid("basic", "needs `auth: none`", "a caller has a token or a password, not both")
	default:
		field.Forbid("basic", "needs `auth: none`", "write auth: none beside it: the password then decides instead of a token")
	}
	if field.Given("forward_token") && field.Get("forward_token").Text() != "false" {
		field.Forbid("forward_token", "does not go with `basic`", "the Authorization header then has the password, which never reaches a backend")
	}
}
