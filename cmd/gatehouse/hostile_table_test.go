package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/ops"
)

// TestCheckHostileTables checks tables that are hard to read. Each has a problem at its
// place, in text and in JSON, and no message is long.
func TestCheckHostileTables(t *testing.T) {
	t.Parallel()
	const route = "routes:\n  - {name: a, prefix: /a, backend: \"http://a\"}\n"
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for name, test := range map[string]struct {
		table        string
		line, column int
		message      string // a part of it
	}{
		"aliases that grow": {
			"routes: &a [1, 1, 1, 1]\n" + "x: &b [" + strings.Repeat("*a,", 9) + "]\n" + "y: &c [" + strings.Repeat("*b,", 99) + "]\nz: [" + strings.Repeat("*c,", 999) + "]\n", 1, 1, "aliases",
		},
		"an alias in itself":         {"routes:\n  - &a {name: a, prefix: /a, claims: *a}\n", 2, 38, "inside its own value"},
		"an alias of nothing":        {"routes:\n  - {name: a, prefix: /a, backend: *b}\n", 2, 36, "unknown anchor"},
		"a merge":                    {"routes:\n  - {name: a, prefix: /a, backend: \"http://a\", claims: {<<: {a: b}}}\n", 2, 57, "merge keys"},
		"a key twice":                {"routes:\n  - {name: a, prefix: /a, backend: \"http://a\", rewrite: {from: ^/a$, from: ^/b$, to: /x}}\n", 2, 70, "given twice"},
		"a huge number":              {"limits: {connections: 99999999999999999999999}\n" + route, 1, 23, "not a whole number"},
		"a huge duration":            {"defaults: {timeout: 999999999999999h}\n" + route, 1, 21, "not a duration"},
		"deep lists":                 {"routes: " + deep + "\n", 1, 10, "must be a mapping, not a list"},
		"deep mappings":              {"routes: " + strings.Repeat("{a: ", 5000) + strings.Repeat("}", 5000) + "\n", 1, 9, "must be a list, not a mapping"},
		"deep claims":                {"routes:\n  - {name: a, prefix: /a, backend: \"http://a\", claims: {a: " + deep + "}}\n", 2, 61, "must be text, not a list"},
		"deep claims of a test":      {route + "tests:\n  - {request: GET /a, as: {claims: {a: " + deep + "}}, expect: 401}\n", 4, 5, "expected 401, got a"},
		"a backend in itself":        {"backends:\n  a: &a {servers: [*a]}\n" + route, 2, 20, "inside its own value"},
		"backends that are a list":   {"backends: " + deep + "\n" + route, 1, 11, "must be a mapping, not a list"},
		"deep servers":               {"backends:\n  a: {servers: " + deep + "}\n" + route, 2, 17, "must be"},
		"a server twice in a list":   {"backends:\n  a: {servers: [" + strings.Repeat("http://b,", 2) + "]}\n" + route, 2, 26, "is listed twice"},
		"a backend twice":            {"backends:\n  a: {servers: [http://a]}\n  a: {servers: [http://b]}\n" + route, 3, 3, "given twice"},
		"a side twice":               {"routes:\n  - {name: a, prefix: /a, backend: {b: 1, b: 2}}\n", 2, 43, "given twice"},
		"a huge weight":              {"routes:\n  - {name: a, prefix: /a, backend: {b: 99999999999999999999, c: 1}}\n", 2, 40, "not a weight"},
		"a huge percentage":          {"routes:\n  - {name: a, prefix: /a, backend: \"http://a\", mirror: {backend: \"http://b\", percent: 1e9}}\n", 2, 87, "percent"},
		"not a number as percentage": {"routes:\n  - {name: a, prefix: /a, backend: \"http://a\", mirror: {backend: \"http://b\", percent: .nan}}\n", 2, 87, "percent"},
		"a name that is long":        {"backends:\n  " + strings.Repeat("a", 1000) + ": {servers: [http://a]}\n" + route, 2, 3, "longer than 64 characters"},
		"a name with an escape":      {"backends:\n  \"a\\e[31m\": {servers: [http://a]}\n" + route, 2, 3, "not a name"},
		"a line break of Unicode":    {"# a\u2028routes: []\n" + route, 1, 4, "U+2028"},
		"another one in a value":     {"routes:\n  - {name: a, prefix: /a, respond: {body: \"x\u0085y\"}}\n", 2, 45, "U+0085"},
		"CRLF":                       {strings.ReplaceAll("routes:\n  - name: a\n    prefix: /a\n    backend: http://a\n    auht: none\n", "\n", "\r\n"), 5, 5, `unknown key "auht"`},
		"a byte order mark":          {"\ufeffrouts: []\n" + route, 1, 1, `unknown key "routs"`},
		"a mark and CRLF":            {"\ufeff" + strings.ReplaceAll(route, "\n", "\r\n") + "naem: x\r\n", 3, 1, `unknown key "naem"`},
		"a tab before a value":       {"routes:\n  - name: a\n    prefix: /a\n    backend:\thtp://a\n", 4, 14, "scheme"},
		"a tab as indentation":       {"routes:\n\t- name: a\n", 2, 1, "cannot start any token"},
		"NUL":                        {"routes:\n  - {name: \"é\x00\"}\n", 2, 14, "NUL"},
		"no UTF-8":                   {"routes:\n  - {name: \"é\xff\"}\n", 2, 14, "not valid UTF-8"},
		"wide characters":            {"routes:\n  - {name: a, prefix: /a, backend: \"http://a\", roles: [日本語], auht: none}\n", 2, 62, `unknown key "auht"`},
		"a letter of another script": {
			"routes:\n  - {name: a, prefix: /a, backend: \"http://a\", cla\u0456ms: {a: b}}\n", 2, 48, "unknown key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := testkit.TempFile(t, "routes.yaml", test.table)
			check := func(args ...string) string {
				var out bytes.Buffer
				status := run(t.Context(), append([]string{"check", file}, args...), terminal{in: http.NoBody, out: &out, err: &out, lookup: testkit.Lookup(nil)})
				if status != exitFailure {
					t.Errorf("status %d", status)
				}
				return out.String()
			}
			var said report
			if err := json.Unmarshal([]byte(check("--format", "json")), &said); err != nil {
				t.Fatal(err)
			}
			isThere := func(p ops.Problem) bool {
				return p.Line == test.line && p.Column == test.column && strings.Contains(p.Message, test.message)
			}
			found := false
			for _, p := range said.Problems {
				found = found || isThere(p)
			}
			text := check()
			if place := fmt.Sprintf("routes.yaml:%d:%d: ", test.line, test.column); !found || !strings.Contains(text, place) {
				t.Errorf("got %.2000s", text)
			}
			if most := 5000; len(text) > most {
				t.Errorf("%d bytes of messages", len(text))
			}
		})
	}
}
