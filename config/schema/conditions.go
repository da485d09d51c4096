// This file has rules about combinations of keys, as far as a schema can
// express them.

package schema

import "gatehouse/config"

// tableConditions returns the rules about the whole table: without users,
// nobody can log in.
func tableConditions() []*schema {
	off := anyOf(&schema{Const: false}, &schema{Type: "string", Pattern: offPattern})
	noHandler := &schema{Not: &schema{Required: []string{"handler"}}}
	return []*schema{{
		If:   given("users", off),
		Then: &schema{Properties: properties{{"routes", &schema{Items: noHandler}}}},
	}}
}

// tableContents returns what a file has at least. A table has routes, or
// includes files that have them; an included file may have tests alone.
func tableContents() []*schema {
	return []*schema{{Required: []string{"routes"}}, {Required: []string{"include"}}, {Required: []string{"tests"}}}
}

// conditions returns the rules about the mapping at a path.
func conditions(path string) []*schema {
	switch path {
	case "routes":
		return routeConditions()
	case "routes.respond":
		bodiless := anyOf(&schema{Const: 204}, &schema{Const: 205}, &schema{Const: 304})
		content := anyOf(&schema{Required: []string{"body"}}, &schema{Required: []string{"file"}})
		return []*schema{
			{MinProperties: 1},
			{Not: &schema{Required: []string{"body", "file"}}},
			{If: given("status", bodiless), Then: &schema{Not: content}},
			{If: &schema{Required: []string{"content_type"}}, Then: content},
		}
	case "backends":
		return backendConditions()
	case "backends.discover":
		return []*schema{{OneOf: []*schema{{Required: []string{"url"}}, {Required: []string{"srv"}}}}}
	case "backends.health":
		return []*schema{
			{OneOf: []*schema{{Required: []string{"path"}}, {Required: []string{"grpc"}}}},
			{Not: &schema{Required: []string{"grpc", "expect"}}},
		}
	case "backends.passive", "backends.retry":
		return []*schema{{MinProperties: 1}}
	case "backends.hash", "routes.split_by":
		return []*schema{{MinProperties: 1, MaxProperties: new(1)}}
	case "include":
		return []*schema{{DependentRequired: map[string][]string{"auth": {"prefix"}, "variables": {"prefix"}}}}
	case "tests.as":
		others := anyOf(&schema{Required: []string{"roles"}}, &schema{Required: []string{"company"}}, &schema{Required: []string{"claims"}})
		return []*schema{{If: &schema{Required: []string{"basic"}}, Then: &schema{Not: others}}}
	case "tests.expect":
		forwarded := given("to", &schema{Type: "string", Pattern: "^/|://"})
		return []*schema{{If: forwarded, Then: &schema{Not: anyOf(&schema{Required: []string{"status"}}, &schema{Required: []string{"location"}})}}}
	case "backends.tls":
		return []*schema{{MinProperties: 1, DependentRequired: map[string][]string{"cert": {"key"}, "key": {"cert"}}}}
	case "routes.tls":
		return []*schema{{DependentRequired: map[string][]string{"cert": {"key"}, "key": {"cert"}}}}
	case "cors", "routes.cors":
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

// backendConditions returns the rules about one backend.
func backendConditions() []*schema {
	// hash goes with balance: hash, and with a balance that the environment has.
	hashed := &schema{Required: []string{"balance"}, Properties: properties{{"balance", anyOf(&schema{Const: string(config.BalanceHash)}, ref("reference"))}}}
	return []*schema{
		{OneOf: []*schema{{Required: []string{"servers"}}, {Required: []string{"discover"}}}},
		{If: &schema{Required: []string{"hash"}}, Then: hashed},
		{If: given("balance", &schema{Const: string(config.BalanceHash)}), Then: &schema{Required: []string{"hash"}}},
		{If: given("protocol", &schema{Const: string(config.ProtocolHTTP1)}), Then: &schema{Not: given("health", &schema{Required: []string{"grpc"}})}},
		{If: &schema{Required: []string{"max_waiting"}}, Then: given("max_requests", &schema{Not: anyOf(&schema{Const: 0}, &schema{Const: "0"})})},
		{DependentRequired: map[string][]string{"max_wait": {"max_waiting"}}},
	}
}

// oneTarget returns a schema for each key that can be the target of a route.
func oneTarget() []*schema {
	var targets []*schema
	for _, key := range config.TargetKeys() {
		targets = append(targets, &schema{Required: []string{key}})
	}
	return targets
}

// routeConditions returns the rules about one route. They cannot see what
// `defaults:` adds to a route.
func routeConditions() []*schema {
	without := func(key string) *schema { return &schema{Not: &schema{Required: []string{key}}} }
	empty := func(key string) *schema {
		return &schema{Properties: properties{{key, &schema{MaxItems: new(0)}}}}
	}
	open := given("auth", &schema{Enum: []string{string(config.PolicyNone), string(config.PolicyOptional)}})
	tokens := anyOf(&schema{Enum: []string{string(config.PolicyStrict), string(config.PolicyInitial), string(config.PolicyOptional)}})
	h2c := &schema{Const: string(config.ProtocolH2C)}
	return []*schema{
		{OneOf: oneTarget()},
		{Not: &schema{Required: []string{"headers", "match_headers"}}},
		{If: &schema{Required: []string{"handler"}}, Then: &schema{PropertyNames: &schema{Enum: config.HandlerKeys()}}},
		{If: &schema{Required: []string{"redirect"}}, Then: &schema{PropertyNames: &schema{Enum: config.AnsweredKeys("redirect")}}},
		{If: &schema{Required: []string{"respond"}}, Then: &schema{PropertyNames: &schema{Enum: config.AnsweredKeys("respond")}}},
		{If: open, Then: empty("roles")},
		{If: open, Then: &schema{Properties: properties{{"claims", &schema{MaxProperties: new(0)}}}}},
		{If: given("backend", &schema{Type: "string", Pattern: `^[Hh][Tt][Tt][Pp]://`}), Then: without("tls")},
		{If: given("backend", &schema{Type: "string", Pattern: `^[Hh][Tt][Tt][Pp][Ss]://`}), Then: &schema{Not: given("protocol", h2c)}},
		{If: &schema{Required: []string{"split_by"}}, Then: given("backend", &schema{Type: "object", MinProperties: 2})},
		{If: given("auth", &schema{Const: string(config.PolicyNone)}), Then: &schema{Not: given("split_by", &schema{Required: []string{"claim"}})}},
		{If: given("auth", tokens), Then: without("basic")},
		{If: &schema{Required: []string{"basic"}}, Then: &schema{Not: given("forward_token", &schema{Const: true})}},
		{If: given("protocol", h2c), Then: empty("upgrade")},
		{If: given("strip_prefix", &schema{Const: true}), Then: without("rewrite")},
	}
}
