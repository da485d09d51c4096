package explain

import (
	"testing"

	"gatehouse/auth"
	"gatehouse/config"
)

// A rule is weaker when a caller passes that the other refuses.
func TestWeaker(t *testing.T) {
	t.Parallel()
	rule := func(policy config.Policy, roles []string, claims map[string]config.ClaimValues) auth.Rule {
		return auth.RuleOf(&config.Route{Auth: policy, Roles: roles, Claims: claims})
	}
	type claims = map[string]config.ClaimValues
	for name, test := range map[string]struct {
		before, after auth.Rule
		want          bool
	}{
		"the same":                           {rule("strict", nil, claims{"a": {"x", "y"}}), rule("strict", nil, claims{"a": {"y", "x"}}), false},
		"strict, initial":                    {rule("strict", nil, nil), rule("initial", nil, nil), true},
		"initial, optional":                  {rule("initial", nil, nil), rule("optional", nil, nil), true},
		"optional, none":                     {rule("optional", nil, nil), rule("none", nil, nil), true},
		"none, optional":                     {rule("none", nil, nil), rule("optional", nil, nil), false},
		"optional, initial":                  {rule("optional", nil, nil), rule("initial", nil, nil), false},
		"a claim more":                       {rule("strict", nil, nil), rule("strict", nil, claims{"a": {"x"}}), false},
		"a second claim more":                {rule("strict", nil, claims{"a": {"x"}}), rule("strict", nil, claims{"a": {"x"}, "b": {"y"}}), false},
		"a claim less":                       {rule("strict", nil, claims{"a": {"x"}}), rule("strict", nil, nil), true},
		"another claim":                      {rule("strict", nil, claims{"a": {"x"}}), rule("strict", nil, claims{"b": {"x"}}), true},
		"a value more":                       {rule("strict", nil, claims{"a": {"x"}}), rule("strict", nil, claims{"a": {"x", "y"}}), true},
		"a value less":                       {rule("strict", nil, claims{"a": {"x", "y"}}), rule("strict", nil, claims{"a": {"x"}}), false},
		"another value":                      {rule("strict", nil, claims{"a": {"x"}}), rule("strict", nil, claims{"a": {"y"}}), true},
		"a stricter policy, another value":   {rule("initial", nil, claims{"a": {"x"}}), rule("strict", nil, claims{"a": {"y"}}), true},
		"a role more":                        {rule("strict", []string{"r"}, nil), rule("strict", []string{"r", "s"}, nil), true},
		"roles less":                         {rule("strict", []string{"r"}, nil), rule("strict", nil, nil), true},
		"a role less":                        {rule("strict", []string{"r", "s"}, nil), rule("strict", []string{"s"}, nil), false},
		"a claim for a role":                 {rule("strict", []string{"r"}, nil), rule("strict", nil, claims{"role": {"r"}}), true},
		"built-in endpoints, a policy":       {rule("", nil, nil), rule("strict", nil, nil), true},
		"a policy, built-in endpoints again": {rule("strict", nil, nil), rule("", nil, nil), false},
	} {
		if got := weaker(test.before, test.after); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
