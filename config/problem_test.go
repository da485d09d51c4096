// Tests of how problems are written, and of what they must not show.

package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestProblemRendering(t *testing.T) {
	at := Position{"routes.yaml", 3, 5}
	tests := map[string]struct {
		problem Problem
		want    string
	}{
		"all":       {Problem{Position: at, Message: "bad", Hint: "do so", Source: "    x: y"}, "routes.yaml:3:5: bad\n      x: y\n      ^\n  hint: do so\n"},
		"tabs":      {Problem{Position: at, Message: "bad", Source: "\t\t  x"}, "routes.yaml:3:5: bad\n  \t\t  x\n  \t\t  ^\n"},
		"terminal":  {Problem{Position: at, Message: "bad", Source: "ab\x1b[2Jx"}, "routes.yaml:3:5: bad\n  ab\ufffd[2Jx\n      ^\n"},
		"past end":  {Problem{Position: at, Message: "bad", Source: "a"}, "routes.yaml:3:5: bad\n  a\n   ^\n"},
		"no column": {Problem{Position: Position{"routes.yaml", 3, 0}, Message: "bad", Source: "a"}, "routes.yaml:3: bad\n  a\n"},
		"no line":   {Problem{Position: Position{"routes.yaml", 0, 0}, Message: "bad"}, "routes.yaml: bad\n"},
		"no file":   {Problem{Message: "bad", Severity: SeverityWarning}, "warning: bad\n"},
		"long": {
			Problem{Position: Position{"f", 1, 101}, Message: "bad", Source: strings.Repeat("a", 100) + "x" + strings.Repeat("b", 100)},
			"f:1:101: bad\n  …" + strings.Repeat("a", 60) + "x" + strings.Repeat("b", 59) + "…\n  " + strings.Repeat(" ", 61) + "^\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			n, err := test.problem.WriteTo(&got)
			if err != nil || got.String() != test.want || n != int64(len(test.want)) {
				t.Errorf("got %q, want %q (%v)", got.String(), test.want, err)
			}
		})
	}
}

func TestProblemsError(t *testing.T) {
	problems := Problems{
		{Position: Position{"f", 1, 2}, Message: "bad", Hint: "do so"},
		{Position: Position{"f", 3, 4}, Message: "odd", Severity: SeverityWarning},
	}
	if got, want := problems.Error(), "f:1:2: bad (do so)\nf:3:4: warning: odd"; got != want {
		t.Errorf("got %q", got)
	}
	if !problems.HasErrors() || problems.Warnings().HasErrors() || len(problems.Errors()) != 1 || len(problems.Warnings()) != 1 {
		t.Error("severities are mixed up")
	}
}

// A value of the environment that ended up in the wrong place is not repeated,
// wherever that place is.
func TestEnvironmentStaysHidden(t *testing.T) {
	table := `name: %s
users: {companies: [%[1]s], join: %[1]s, grace: %[1]s}
identity: {headers: {X-User-ID: %[1]s}}
tokens: [{issuer: %[1]s, keys: %[1]s, audience: %[1]s, algorithms: [%[1]s], claims: {a: %[1]s}}]
cors: {origins: [%[1]s], credentials: %[1]s, expose: [%[1]s], max_age: %[1]s}
trusted_proxies: [%[1]s]
defaults: {methods: [%[1]s], timeout: %[1]s, auth: %[1]s}
routes:
  - {name: %[1]s, prefix: %[1]s, backend: %[1]s, hosts: [%[1]s], methods: [%[1]s], headers: {X-A: %[1]s}, auth: %[1]s, roles: [%[1]s],
     strip_prefix: %[1]s, protocol: %[1]s, tls: {server_name: %[1]s}, timeout: %[1]s, max_body: %[1]s}
  - {name: %[1]s, prefix: %[1]s, handler: %[1]s}
  - {name: a, prefix: "/${TOKEN}", backend: http://a}
  - {name: b, prefix: "/${TOKEN}", backend: http://a}
tests: [{request: %[1]s, as: %[1]s, expect: %[1]s}]
`
	for _, secret := range []string{"hunter2", "12hunter2", "hunter2:12", "me:hunter2@db", "hunter2 x", "hunter2//x/../", "HUNTER2.", "-hunter2", "GET hunter2", "%hunter2", "hunter2*"} {
		_, err := Parse("routes.yaml", fmt.Appendf(nil, table, `"${TOKEN}"`), environment(map[string]string{"TOKEN": secret}))
		problems := problemsOf(t, err)
		var out strings.Builder
		if _, err := problems.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		if len(problems) < 15 {
			t.Errorf("only %d problems:\n%s", len(problems), out.String())
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if strings.Contains(strings.ToLower(line), "hunter2") {
				t.Errorf("%q is shown: %s", secret, line)
			}
		}
	}
}

// A password is not shown by a problem beside it either, however it is written.
func TestPasswordsStayHidden(t *testing.T) {
	for _, backend := range []string{
		`"http://me:hunter2@b"`, `"http:\u002f/me:hunter2@b"`, "'http://me:hunter2@b'", `"http://me:hun%zzter2@b"`, `"http://me:/hunter2@b:x"`,
		`"${X:-http://me:hunter2@b}"`, "\"http://me:\n    hunter2@b\"", `"http://b/?token=hunter2"`, `"htp://b?hunter2"`,
		`"u:hunter2@h"`, `"//u:hunter2@h"`, `"http:u:hunter2@h"`, `"u: hunter2@h"`,
	} {
		_, err := Parse("routes.yaml", []byte("routes:\n  - {name: _a, backend: "+backend+", prefix: b, auth: x}\n"), nil)
		var out strings.Builder
		problems := problemsOf(t, err)
		if _, err := problems.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		if len(problems) < 4 || strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), "ter2") {
			t.Errorf("%s:\n%s", backend, out.String())
		}
	}
}

func TestTrustingEverybodyIsAWarning(t *testing.T) {
	table := mustParse(t, "trusted_proxies: [0.0.0.0/0, 10.0.0.0/8, '::/0']\n"+oneRoute, nil)
	if len(table.Warnings) != 2 || table.Warnings[0].Column != 19 || table.Warnings[0].Severity != SeverityWarning {
		t.Errorf("got %v", table.Warnings)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"methods", "hosts", "http", "https", "any", "GET"}
	for word, want := range map[string]string{
		"method": "methods", "Methods": "methods", "mehtods": "methods", "htp": "http", "htps": "https", "host": "hosts",
		"xy": "", "ab": "", "": "", "zzz": "", "get": "GET", strings.Repeat("methods", 20): "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
