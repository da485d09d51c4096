// What keys may say together, as far as a schema can tell.

package schema

import "gatehouse/config"

// tableConditions are about the table as a whole: without users there is nobody
// to log in.
func tableConditions() []*schema {
	off := anyOf(&schema{Const: false}, &schema{Type: "string", Pattern: offPattern})
	noHandler := &schema{Not: &schema{Required: []string{"handler"}}}
	return []*schema{{
		If:   given("users", off),
		Then: &schema{Properties: properties{{"routes", &schema{Items: noHandler}}}},
	}}
}

// conditions are about the mapping at a path.
func conditions(path string) []*schema {
	switch path {
	case "routes":
		return routeConditions()
	case "routes.tls":
		return []*schema{{DependentRequired: map[string][]string{"cert": {"key"}, "key": {"cert"}}}}
	case "cors":
		return []*schema{{
			If: given("credentials", &schema{Const: true}),
			Then: &schema{Properties: properties{
				{"origins", &schema{Items: &schema{Not: &schema{Pattern: originPublic}}}},
				{"expose", &schema{Items: &schema{Not: &schema{Const: "*"}}}},
			}},
		}}
	}
	return nil
}

// routeConditions are those of one route. What `defaults:` add to a route is not
// seen from here.
func routeConditions() []*schema {
	without := func(key string) *schema { return &schema{Not: &schema{Required: []string{key}}} }
	empty := func(key string) *schema {
		return &schema{Properties: properties{{key, &schema{MaxItems: new(0)}}}}
	}
	h2c := &schema{Const: string(config.ProtocolH2C)}
	return []*schema{
		{OneOf: []*schema{{Required: []string{"backend"}}, {Required: []string{"handler"}}}},
		{If: &schema{Required: []string{"handler"}}, Then: &schema{PropertyNames: &schema{Enum: config.HandlerKeys()}}},
		{If: given("auth", &schema{Const: string(config.PolicyNone)}), Then: empty("roles")},
		{If: given("backend", &schema{Type: "string", Pattern: `^[Hh][Tt][Tt][Pp]://`}), Then: without("tls")},
		{If: given("backend", &schema{Type: "string", Pattern: `^[Hh][Tt][Tt][Pp][Ss]://`}), Then: &schema{Not: given("protocol", h2c)}},
		{If: given("protocol", h2c), Then: empty("upgrade")},
	}
}
