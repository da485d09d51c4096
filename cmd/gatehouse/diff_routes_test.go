package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDiffOfTargets changes what a route leads to, and which routes there are.
func TestDiffOfTargets(t *testing.T) {
	t.Parallel()
	const root = `{name: root, prefix: /, backend: "http://root", auth: none}`
	for name, test := range map[string]struct {
		before, after string // routes
		weaker        []string
		tightened     []string // from after to before
	}{
		"a redirect becomes a backend": {
			`{name: a, prefix: /a, redirect: {to: /b}, auth: none}`, `{name: a, prefix: /a, backend: "http://a", auth: none}`,
			[]string{"route a: answered by the gateway → backend a, none (a)"},
			nil,
		},
		"a fixed answer becomes a backend": {
			`{name: a, prefix: /a, respond: {status: 403}}`, `{name: a, prefix: /a, backend: "http://a"}`,
			[]string{"route a: answered by the gateway → backend a, strict (a)"},
			nil,
		},
		"a fixed answer becomes the endpoints": {
			`{name: a, prefix: /a, respond: {status: 403}}`, `{name: a, prefix: /a, handler: users}`,
			[]string{"route a: answered by the gateway → handler users"},
			[]string{"GET, OTHER /a: own policies (a) → strict (a)"},
		},
		"a fixed answer in front of a part of a backend goes": {
			root + "\n  - " + `{name: a, prefix: /admin, respond: {status: 403}, auth: none}`, root,
			[]string{"GET, OTHER /admin: answered by the gateway (a) → backend root, none (root)"},
			nil,
		},
		"a redirect takes less": {
			root + "\n  - " + `{name: a, prefix: /admin, redirect: {to: /}, auth: none}`,
			root + "\n  - " + `{name: a, prefix: /admin/x, redirect: {to: /}, auth: none}`,
			[]string{"GET, OTHER /admin: answered by the gateway (a) → backend root, none (root)"},
			nil,
		},
		"a prefix gets wider": {
			`{name: a, prefix: /a/b, backend: "http://a"}`, `{name: a, prefix: /a, backend: "http://a"}`,
			[]string{"route a: reaches the backend's paths /a/b/… → /a/…"},
			nil,
		},
		"a base path gets shorter": {
			`{name: a, prefix: /a, strip_prefix: true, backend: "http://a/base"}`, `{name: a, prefix: /a, strip_prefix: true, backend: "http://a"}`,
			[]string{"route a: reaches the backend's paths /base/… → /…"},
			nil,
		},
		"a neighbour's base path": {
			`{name: a, prefix: /a, strip_prefix: true, backend: "http://a/base"}`, `{name: a, prefix: /a, strip_prefix: true, backend: "http://a/bas"}`, nil, nil,
		},
		"another name, and less": {
			`{name: a, prefix: /a, backend: "http://a", request_headers: {remove: [X-Debug]}, forward_token: false}`, `{name: b, prefix: /a, backend: "http://a"}`,
			[]string{"route b: forward_token false → true", "route b: request_headers: X-Debug removed → clients may send it"},
			nil,
		},
		"https becomes http": {
			`{name: a, prefix: /a, backend: "https://a"}`, `{name: a, prefix: /a, backend: "http://b"}`,
			[]string{"route a: backend's scheme https → http"},
			nil,
		},
		"the endpoints move, and more may come": {
			`{name: a, prefix: /a, handler: users, hosts: [in.example.com], allow_from: [10.0.0.0/8]}`, `{name: a, prefix: /b, handler: users, hosts: ["*.example.com"]}`,
			[]string{
				"route a: moved, and from 10.0.0.0/8 (a) → from any address (a)",
				"route a: hosts in.example.com → *.example.com",
			},
			nil,
		},
		"a second way to a backend without its roles": {
			`{name: a, prefix: /a, backend: "http://a", roles: [admin]}`,
			`{name: a, prefix: /a, backend: "http://a", roles: [admin]}` + "\n  - " + `{name: b, prefix: /b, backend: "http://a"}`,
			[]string{"backend a: reached with strict, roles admin (a) at least → strict (b)"},
			nil,
		},
		"a second way to a backend from elsewhere": {
			`{name: a, prefix: /a, backend: "http://a", allow_from: [10.0.0.0/8]}`,
			`{name: a, prefix: /a, backend: "http://a", allow_from: [10.0.0.0/8]}` + "\n  - " + `{name: b, prefix: /b, backend: "http://a"}`,
			[]string{"backend a: reached from 10.0.0.0/8 (a) → from any address (b)"},
			nil,
		},
		"a second way that is as wide as another": {
			`{name: a, prefix: /a, backend: "http://a", roles: [admin]}` + "\n  - " + `{name: c, prefix: /c, backend: "http://a"}`,
			`{name: a, prefix: /a, backend: "http://a", roles: [admin]}` + "\n  - " + `{name: c, prefix: /c, backend: "http://a"}` + "\n  - " + `{name: b, prefix: /b, backend: "http://a", roles: [x]}`,
			nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := writeTable(t, "routes:\n  - "+test.before+"\n", nil), writeTable(t, "routes:\n  - "+test.after+"\n", nil)
			if got := weakerLines(diffTables(t, before, after)); !slices.Equal(got, test.weaker) {
				t.Errorf("got %q, want %q", got, test.weaker)
			}
			if got := weakerLines(diffTables(t, after, before)); !slices.Equal(got, test.tightened) {
				t.Errorf("back: got %q, want %q", got, test.tightened)
			}
		})
	}
}

// weakerLines returns the lines of an output that are marked as weaker.
func weakerLines(_ int, output string) (lines []string) {
	for line := range strings.Lines(output) {
		if text, found := strings.CutPrefix(line, "  ! "); found {
			lines = append(lines, strings.TrimSuffix(text, "\n"))
		}
	}
	return lines
}

// TestDiffOfFiles changes the files that a table names, under the same names.
func TestDiffOfFiles(t *testing.T) {
	t.Parallel()
	const table = `
include: [{files: "team/*.yaml", prefix: /team}]
errors: {503: page.html, 4xx: page.html}
routes:
  - {name: ops, prefix: /ops, backend: "http://ops", auth: none, basic: users.htpasswd}
  - {name: stop, prefix: /stop, respond: {file: page.html}}
`
	files := keyFiles()
	files["team/a.yaml"] = "routes: [{name: team, prefix: /team/x, backend: \"https://team\", tls: {ca: ca.pem}}]\n"
	files["team/ca.pem"] = "one"
	files["team/b.yaml"] = "backends: {own: {servers: [\"https://own\"], tls: {ca: own-ca.pem}}}\nroutes: [{name: own, prefix: /team/y, backend: own}]\n"
	files["team/own-ca.pem"] = "one"
	one := strings.TrimSuffix(files["users.htpasswd"], "\n")
	before := writeTable(t, table, files)
	for name, test := range map[string]struct {
		file, text string
		want       string // without digests
	}{
		"nothing":                        {"users.htpasswd", "# a comment\n" + one, "no change\n"},
		"a user more":                    {"users.htpasswd", one + "\n" + files["others.htpasswd"], "WEAKER\n  ! route ops: basic users.htpasswd: also two\n"},
		"another password":               {"users.htpasswd", one[:len(one)-1] + "b\n", "WEAKER\n  ! route ops: basic users.htpasswd: another password for one\n"},
		"another user":                   {"users.htpasswd", files["others.htpasswd"], "WEAKER\n  ! route ops: basic users.htpasswd: also two\nchanged\n  ~ route ops: basic users.htpasswd: no longer one\n"},
		"another page":                   {"page.html", "<p>{status}", "changed\n  ~ route stop: contents of page.html # → #\n  ~ errors.4xx: page.html # → page.html #\n  ~ errors.503: page.html # → page.html #\n"},
		"other authorities of a backend": {"team/own-ca.pem", "two", "WEAKER\n  ! backend own: tls.ca: contents of own-ca.pem # → #\n"},
		"other authorities":              {"team/ca.pem", "two", "WEAKER\n  ! route team: tls.ca: contents of ca.pem # → #\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := maps.Clone(files)
			changed[test.file] = test.text
			status, output := diffTables(t, before, writeTable(t, table, changed))
			if got := regexp.MustCompile("#[0-9a-f]{8}").ReplaceAllString(output, "#"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if wantFailure := strings.HasPrefix(test.want, "WEAKER"); wantFailure != (status == exitFailure) {
				t.Errorf("status %d", status)
			}
		})
	}
}
