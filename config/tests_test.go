package config

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/config/configtest"
)

// TestCallers parses callers in all their forms.
func TestCallers(t *testing.T) {
	for text, want := range map[string]Caller{
		"anonymous":               {Name: CallerAnonymous},
		"{roles: [admin, clerk]}": {Roles: []string{"admin", "clerk"}},
		"{company: off}":          {Company: NoCompany},
		"{company: False}":        {Company: NoCompany},
		"{company: acme}":         {Company: "acme"},
		`{"claims":{"sub":12}}`:   {Claims: Claims{"sub": json.Number("12")}},
		"{claims: {a: [x, -1.5e3, true, {b: '7'}]}}": {Claims: Claims{
			"a": []any{"x", json.Number("-1.5e3"), true, map[string]any{"b": "7"}},
		}},
	} {
		got, err := ParseCaller(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	for _, text := range []string{
		"", "nobody", "[]", "{}", "{roles: []}", "{roles: ['']}", "{roles: admin}", "{company: }", "{company: ['a']}", "{claims: {}}",
		"{claims: {role: a}}", "{claims: {company_id: a}}", "{claims: {a: ~}}", "{claims: {a: 0x1}}", "{claims: {a: 1_000}}", "{claims: {a: yes}}",
		"{claims: {a: 2024-01-01}}", "{claims: {a: .5}}", "{claims: {a: 1, a: 2}}", "{claims: {'': a}}", "{name: a}", "member\nbogus: x", "{a", "&a {claims: {b: *a}}",
	} {
		if got, err := ParseCaller(text); err == nil {
			t.Errorf("%q: taken as %+v", text, got)
		}
	}
}

// FuzzParseCaller checks that what String writes is read again, so that a hint with `--as`
// can be run.
func FuzzParseCaller(f *testing.F) {
	for _, text := range []string{"member", "{roles: [admin]}", "{company: off, claims: {a: [1, true, {b: c}], d: \"\\u2028<&>\"}}", "{claims: {a: 1e400}}", "{claims: {a: '*'}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParseCaller(text)
		if err != nil {
			return
		}
		again, err := ParseCaller(first.String())
		if diff := cmp.Diff(first, again); err != nil || diff != "" {
			t.Errorf("%q, written as %s: %v\n%s", text, first.String(), err, diff)
		}
	})
}

// TestExpectationWords reads the two forms of an expectation.
func TestExpectationWords(t *testing.T) {
	for written, want := range map[string]Expectation{
		"401":                              {Status: 401},
		`"401"`:                            {Status: 401},
		"query":                            {To: "query"},
		"{status: 503, header: {X-A: ''}}": {Status: 503, Header: map[string]string{"X-A": ""}},
		"{to: /a/b}":                       {To: "/a/b"},
		"{to: query, location: /new}":      {To: "query", Location: "/new"},
	} {
		table, err := Parse("routes.yaml", fmt.Appendf(nil, "tests: [{request: GET /, as: member, expect: %s}]\n%s", written, configtest.OneRoute), nil)
		if err != nil {
			t.Errorf("%s: %v", written, err)
			continue
		}
		got := table.Tests[0].Expect
		if diff := cmp.Diff(want, got); diff != "" || got.IsWord() != (written[0] != '{' || written == "{to: /a/b}") {
			t.Errorf("%s: %s", written, diff)
		}
	}
}
