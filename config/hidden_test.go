// Tests of what problems must not show, and of their positions.

package config

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/config/configtest"
	"gatehouse/config/problem"
	"gatehouse/internal/testkit"
)

// A value of the environment in the wrong place is not repeated, for every
// place.
func TestEnvironmentStaysHidden(t *testing.T) {
	table := `name: %s
users: {companies: [%[1]s], join: %[1]s, grace: %[1]s}
identity: {headers: {X-User-ID: %[1]s}}
tokens: [{issuer: %[1]s, keys: %[1]s, audience: %[1]s, algorithms: [%[1]s], claims: {a: %[1]s}}]
cors: {origins: [%[1]s], credentials: %[1]s, expose: [%[1]s], max_age: %[1]s}
addresses: {%[1]s: [%[1]s], office: [%[1]s]}
trusted_proxies: [%[1]s]
defaults: {deny_from: [%[1]s], methods: [%[1]s], timeout: %[1]s, auth: %[1]s}
routes:
  - {name: %[1]s, prefix: %[1]s, backend: %[1]s, hosts: [%[1]s], methods: [%[1]s], headers: {X-A: %[1]s}, auth: %[1]s, roles: [%[1]s], allow_from: [%[1]s],
     strip_prefix: %[1]s, protocol: %[1]s, tls: {server_name: %[1]s}, timeout: %[1]s, max_body: %[1]s}
  - {name: %[1]s, prefix: %[1]s, handler: %[1]s}
  - {name: a, prefix: "/${TOKEN}", backend: http://a}
  - {name: b, prefix: "/${TOKEN}", backend: http://a}
tests: [{request: %[1]s, as: %[1]s, expect: %[1]s}]
`
	for _, secret := range []string{"hunter2", "12hunter2", "hunter2:12", "me:hunter2@db", "hunter2 x", "hunter2//x/../", "HUNTER2.", "-hunter2", "GET hunter2", "%hunter2", "hunter2*"} {
		_, err := Parse("routes.yaml", fmt.Appendf(nil, table, `"${TOKEN}"`), testkit.Lookup(map[string]string{"TOKEN": secret}))
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

// A problem near a password does not show it, in any spelling.
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
	table := mustParse(t, "trusted_proxies: [0.0.0.0/0, 10.0.0.0/8, '::/0']\n"+configtest.OneRoute, nil)
	if len(table.Warnings) != 2 || table.Warnings[0].Column != 19 || table.Warnings[0].Severity != problem.SeverityWarning {
		t.Errorf("got %v", table.Warnings)
	}
}

// A problem of any kind near a secret does not show the secret.
func TestWrittenSecretsStayHidden(t *testing.T) {
	for _, entry := range []string{
		"prefix: ghp_hunter2hunter2hunter2hunter2hunter2", "headers: ghp_hunter2hunter2hunter2hunter2hunter2", "bogus: ghp_hunter2hunter2hunter2hunter2hunter2",
		`methods: [GTE], headers: {X-API-Key: hunter2hunter2}`, `headers: {X-API-Key: "hunter2hunter2 "}`, "auth: eyJhbGciOiJIUzI1.eyJzdWIiOiJodW50.hunter2hunter2",
		`prefix: "/a?token=hunter2hunter2"`, "ghp_hunter2hunter2hunter2hunter2hunter2: x", "methods: ghp_hunter2hunter2hunter2hunter2hunter2",
	} {
		_, err := Parse("routes.yaml", []byte("routes:\n  - {name: a, bogos: 1, "+entry+"}\n"), nil)
		var out strings.Builder
		if _, err := problemsOf(t, err).WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "hunter2") {
			t.Errorf("%s:\n%s", entry, out.String())
		}
	}
}
