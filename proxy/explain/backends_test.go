package explain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const backendTable = `
users: off
addresses: {office: [192.0.2.0/24]}
routes:
  - {name: admin, prefix: /admin, backend: "http://app", roles: [admin, boss], claims: {scope: [read, write]}}
  - {name: inner, prefix: /inner, backend: "http://inner", auth: none, allow_from: [office]}
  - {name: two, prefix: /two, backend: "http://two", roles: [a]}
  - {name: three, prefix: /three, backend: "http://two", roles: [b]}
`

// TestCompareBackends adds a route to a backend that other routes lead to. It is weaker when
// none of them lets the same callers pass.
func TestCompareBackends(t *testing.T) {
	t.Parallel()
	before := compile(t, backendTable, "")
	const app = "backend app: reached with strict, roles admin boss, claims scope=read|write (admin) at least → "
	for added, want := range map[string][]string{
		`backend: "http://app", roles: [admin, boss], claims: {scope: [read, write]}`:           nil,
		`backend: "http://app", roles: [boss], claims: {scope: [read]}`:                         nil,
		`backend: "http://app", roles: [boss], claims: {scope: [read], a: [b]}`:                 nil,
		`backend: "http://app", roles: [boss], claims: {scope: [read]}, deny_from: [192.0.2.1]`: nil,
		`backend: "http://app"`:                                                                           {app + "strict (new)"},
		`backend: "http://app", roles: [admin]`:                                                           {app + "strict, roles admin (new)"},
		`backend: "http://app", claims: {scope: [read]}`:                                                  {app + "strict, claims scope=read (new)"},
		`backend: "http://app", roles: [clerk], claims: {scope: [read]}`:                                  {app + "strict, roles clerk, claims scope=read (new)"},
		`backend: "http://app", roles: [admin], claims: {scope: [read, all]}`:                             {app + "strict, roles admin, claims scope=all|read (new)"},
		`backend: "http://app", auth: initial, roles: [admin], claims: {scope: [read]}`:                   {app + "initial, roles admin, claims scope=read (new)"},
		`backend: "http://inner", auth: none, allow_from: [office]`:                                       nil,
		`backend: "http://inner", allow_from: [192.0.2.0/25]`:                                             nil,
		`backend: "http://inner", auth: none`:                                                             {"backend inner: reached from office (inner) → from any address (new)"},
		`backend: "http://inner", auth: none, allow_from: [192.0.2.0/23]`:                                 {"backend inner: reached from office (inner) → from 192.0.2.0/23 (new)"},
		`backend: "http://two", roles: [b]`:                                                               nil,
		`backend: "http://two", roles: [a, b]`:                                                            {"backend two: reached with strict, roles b (three) at least → strict, roles a b (new)"},
		`backend: "http://other", auth: none`:                                                             nil,
		`redirect: {to: /admin}`:                                                                          nil,
		`backend: "http://app", roles: [admin], claims: {scope: [read]}, hosts: [a.example.com]`:          nil,
		`backend: "http://app", roles: [admin], claims: {other: [read]}, hosts: [a.example.com, "*.b.c"]`: {app + "strict, roles admin, claims other=read (new)"},
	} {
		got := Compare(before, compile(t, backendTable+"  - {name: new, prefix: /new, "+added+"}\n", ""))
		if diff := cmp.Diff(want, got.Weaker, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", added, diff)
		}
	}
}

// TestCompareManyWaysToABackend compares many routes to one backend, which all move.
func TestCompareManyWaysToABackend(t *testing.T) {
	t.Parallel()
	table := func(prefix string) string {
		var b strings.Builder
		b.WriteString("users: off\nroutes:\n")
		for i := range 2000 {
			fmt.Fprintf(&b, "  - {name: r%d, prefix: /%s%d, backend: 'http://app', roles: [role%d]}\n", i, prefix, i, i)
		}
		return b.String()
	}
	before, after := compile(t, table("a"), ""), compile(t, table("b"), "")
	began := time.Now()
	if got := Compare(before, after).Weaker; len(got) > 0 {
		t.Errorf("weaker: %q", got)
	}
	t.Logf("compared in %v", time.Since(began))
}
