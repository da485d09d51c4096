package explain

import (
	"strings"
	"testing"
)

func TestLoops(t *testing.T) {
	for name, test := range map[string]struct{ routes, want string }{
		"itself": {
			"{name: a, prefix: /a, redirect: {to: /a}}",
			`routes.yaml:2:5: route "a": redirect leads into a loop: /a → /a`,
		},
		"below itself": {
			"{name: a, prefix: /a, redirect: {to: /a/b}}",
			`route "a": redirect leads into a loop: /a → /a/b → /a/b/b → /a/b/b/b → …`,
		},
		"every path": {
			"{name: a, prefix: /, redirect: {to: /new}}",
			`route "a": redirect leads into a loop: / → /new/ →`,
		},
		"through another": {
			"{name: a, prefix: /a, auth: none, redirect: {to: /b}}, {name: b, prefix: /b, roles: [admin], redirect: {to: '/a?'}}",
			`route "b": redirect leads into a loop: /b → /a → /b (`,
		},
		"only for the rest": {
			"{name: a, prefix: /a, redirect: {to: '/{rest}'}}, {name: rest, prefix: /rest, redirect: {to: '/a/{rest}'}}",
			"",
		},
		"by a method": {
			"{name: a, prefix: /a, methods: [POST], redirect: {to: /a, status: 307}}",
			`route "a": redirect leads into a loop: /a → /a`,
		},
		"away from the method": {
			"{name: a, prefix: /a, methods: [POST], redirect: {to: /a, status: 303}}, {name: b, prefix: /a, backend: 'http://b'}",
			"",
		},
		"to a backend":        {"{name: a, prefix: /a, redirect: {to: /b}}, {name: b, prefix: /b, backend: 'http://b'}", ""},
		"one step less":       {"{name: a, prefix: /a/b, redirect: {to: /a}}, {name: b, prefix: /a, backend: 'http://b'}", ""},
		"to another host":     {"{name: a, prefix: /, redirect: {to: 'https://new.example.com'}}", ""},
		"to its own host":     {"{name: a, prefix: /, hosts: ['*.example.com'], redirect: {to: 'https://{host}'}}", `warning: route "a": redirect leads into a loop`},
		"to a longer host":    {"{name: a, prefix: /, hosts: ['*.example.com'], redirect: {to: 'https://www.{host}/x?'}}", `warning: route "a": redirect leads into a loop: / → https://www.www.example.com/x → `},
		"out of its hosts":    {"{name: a, prefix: /, hosts: ['*.example.com'], redirect: {to: 'https://example.com'}}", ""},
		"from host to host":   {"{name: a, prefix: /, hosts: [example.com], redirect: {to: 'https://www.example.com'}}, {name: b, prefix: /, backend: 'http://b'}", ""},
		"with its own header": {"{name: a, prefix: /a, headers: {X-Old: '1'}, redirect: {to: /a}}, {name: b, prefix: /a, backend: 'http://b'}", `route "a": redirect leads into a loop`},
	} {
		t.Run(name, func(t *testing.T) {
			table := compile(t, "routes:\n  - "+strings.ReplaceAll(test.routes, "}, {name", "}\n  - {name"), "")
			problems := Loops(table)
			var got []string
			for _, p := range problems {
				got = append(got, p.Error())
			}
			all := strings.Join(got, "\n")
			if test.want == "" && all != "" || !strings.Contains(all, test.want) {
				t.Errorf("got %s\nwant %s", all, test.want)
			}
		})
	}
}
