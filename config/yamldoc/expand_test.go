package yamldoc

import (
	"testing"

	"gatehouse/internal/testkit"
)

func TestExpand(t *testing.T) {
	variables := map[string]string{"A": "one", "EMPTY": "", "TRICK": "x\ny", "BRACE": "${A}"}
	tests := map[string]struct {
		want  string
		fault string
	}{
		"plain":         {"plain", ""},
		"$5 and $A":     {"$5 and $A", ""},
		"${A}":          {"one", ""},
		"<${A}${A}>":    {"<oneone>", ""},
		"${B:-two}":     {"two", ""},
		"${EMPTY:-two}": {"two", ""},
		"${EMPTY}":      {"", ""},
		"${B:-}":        {"", ""},
		"${B:-a:-b}":    {"a:-b", ""},
		"$${A}":         {"${A}", ""},
		"${A}$${A}${A}": {"one${A}one", ""},
		"${BRACE}":      {"${A}", ""},
		"${B}":          {"", "the environment has no B"},
		"${B} ${C}":     {"", "the environment has no B, C"},
		"${A":           {"", "`${` is not closed"},
		"${}":           {"", "not a reference to the environment"},
		"${1A}":         {"", "not a reference to the environment"},
		"${A-b}":        {"", "not a reference to the environment"},
		"${B:-${A}}":    {"", "a default cannot refer to another variable"},
		"${TRICK}":      {"", "the environment's value contains a control character, such as a line break"},
	}
	for text, test := range tests {
		got, _, f := expand(text, testkit.Lookup(variables), nil)
		reason := ""
		if f != nil {
			reason = f.Reason
		}
		if got != test.want || reason != test.fault {
			t.Errorf("%q: got %q, fault %q", text, got, reason)
		}
	}
}
