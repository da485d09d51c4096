package explain

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const addressTable = `
addresses: {office: [192.0.2.0/24, "2001:db8::/32"], partners: [198.51.100.7]}
trusted_proxies: [10.0.0.0/8]
routes:
  - {name: site, prefix: /, backend: "http://site", auth: none}
  - {name: admin, prefix: /admin, backend: "http://admin", auth: none, allow_from: [partners, office], deny_from: [192.0.2.66]}
  - {name: shop, prefix: /shop, backend: "http://shop", auth: none, deny_from: [partners]}
`

// TestExplainAddress asks which list decides about an address.
func TestExplainAddress(t *testing.T) {
	t.Parallel()
	table := compile(t, addressTable, "")
	for _, test := range []struct {
		path, from, forwarded string
		status                int
		want                  *Address
	}{
		{"/", "192.0.2.1", "", 0, nil},
		{"/admin", "192.0.2.1", "", 0, &Address{"192.0.2.1", "allow_from", "office"}},
		{"/admin", "198.51.100.7", "", 0, &Address{"198.51.100.7", "allow_from", "partners"}},
		{"/admin", "::ffff:192.0.2.1", "", 0, &Address{"192.0.2.1", "allow_from", "office"}},
		{"/admin", "192.0.2.66", "", http.StatusForbidden, &Address{"192.0.2.66", "deny_from", "192.0.2.66"}},
		{"/admin", "203.0.113.7", "", http.StatusForbidden, &Address{"203.0.113.7", "allow_from", ""}},
		{"/admin", "10.0.0.1", "192.0.2.1", 0, &Address{"192.0.2.1", "allow_from", "office"}},
		{"/admin", "10.0.0.1", "nobody", http.StatusForbidden, &Address{}},
		{"/shop", "198.51.100.7", "", http.StatusForbidden, &Address{"198.51.100.7", "deny_from", "partners"}},
		{"/shop", "192.0.2.1", "", 0, &Address{"192.0.2.1", "deny_from", ""}},
	} {
		r := newRequest(t, http.MethodGet, test.path, nil)
		SetClient(r, netip.MustParseAddr(test.from))
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		e := Request(table, r, persona(t, "anonymous"))
		if diff := cmp.Diff(test.want, e.Address); diff != "" || e.Verdict.Status != test.status {
			t.Errorf("%s from %s: %+v\n%s", test.path, test.from, e.Verdict, diff)
		}
	}
}

// TestCompareAddresses makes one edit at a time. Only those that let another address through
// are weaker.
func TestCompareAddresses(t *testing.T) {
	t.Parallel()
	const admin = "GET, OTHER /admin: from office, partners without 192.0.2.66 (admin) → "
	for name, test := range map[string]struct{ old, now, weaker string }{
		"allow_from dropped":               {"allow_from: [partners, office], ", "", admin + "from any address without 192.0.2.66 (admin)"},
		"deny_from dropped":                {", deny_from: [192.0.2.66]", "", admin + "from office, partners (admin)"},
		"both dropped":                     {", allow_from: [partners, office], deny_from: [192.0.2.66]", "", admin + "from any address (admin)"},
		"an address allowed":               {"[partners, office]", "[partners, office, 192.0.3.0]", admin + "from 192.0.3.0, office, partners without 192.0.2.66 (admin)"},
		"a set grows":                      {"192.0.2.0/24", "192.0.2.0/23", admin + "from office, partners without 192.0.2.66 (admin), also from 192.0.3.0/24"},
		"every address written":            {"allow_from: [partners, office], deny_from: [192.0.2.66]", `allow_from: [0.0.0.0/0, "::/0"]`, admin + "from 0.0.0.0/0, ::/0 (admin)"},
		"a denied set shrinks":             {"deny_from: [partners]", "deny_from: [partners], allow_from: [192.0.2.0/25]", ""},
		"a denied set changes":             {"198.51.100.7]", "198.51.100.8]", "GET, OTHER /shop: from any address without partners (shop) → from any address without partners (shop), also from 198.51.100.7/32"},
		"the same in other words":          {"192.0.2.0/24", "192.0.2.0/25, 192.0.2.128/25", ""},
		"a network inside another":         {"[partners, office]", "[partners, office, 192.0.2.7]", ""},
		"fewer addresses":                  {"[partners, office]", "[office]", ""},
		"a route gets a filter":            {`site", auth: none`, `site", auth: none, deny_from: [192.0.2.0/24]`, ""},
		"the filtered route goes":          {"prefix: /shop", "prefix: /store", "GET, OTHER /shop: from any address without partners (shop) → from any address (site)"},
		"moved and opened":                 {"prefix: /shop, backend: \"http://shop\", auth: none, deny_from: [partners]", "prefix: /store, backend: \"http://shop\", auth: none", "route shop: moved, and from any address without partners (shop) → from any address (shop)"},
		"a longer prefix is not as closed": {"  - {name: shop", "  - {name: hole, prefix: /admin/hole, backend: \"http://admin\", auth: none}\n  - {name: shop", "GET, OTHER /admin/hole: from office, partners without 192.0.2.66 (admin) → from any address (hole)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(addressTable, test.old) {
				t.Fatalf("the table has no %q", test.old)
			}
			diff := Compare(compile(t, addressTable, ""), compile(t, strings.Replace(addressTable, test.old, test.now, 1), ""))
			if test.weaker == "" && len(diff.Weaker) > 0 || test.weaker != "" && !slices.Contains(diff.Weaker, test.weaker) {
				t.Errorf("weaker: %q", diff.Weaker)
			}
		})
	}
}

// TestAddressChangesAreNamed checks that lists and sets appear among the changes.
func TestAddressChangesAreNamed(t *testing.T) {
	t.Parallel()
	after := strings.NewReplacer("office: [192.0.2.0/24", "office: [192.0.2.0/25", "allow_from: [partners, office]", "allow_from: [office]").Replace(addressTable)
	got := Compare(compile(t, addressTable, ""), compile(t, after, ""))
	want := Diff{Changed: []string{
		"route admin: allow_from office, partners → office",
		"addresses.office: 192.0.2.0/24, 2001:db8::/32 → 192.0.2.0/25, 2001:db8::/32",
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// TestLoopsBehindAddresses finds a loop that only some addresses can get into.
func TestLoopsBehindAddresses(t *testing.T) {
	t.Parallel()
	table := compile(t, "routes: [{name: a, prefix: /a, redirect: {to: /a/b}, allow_from: [192.0.2.0/24]}]\n", "")
	if problems := Loops(table); len(problems) == 0 {
		t.Error("no loop was found")
	}
}

// BenchmarkCompareAddresses compares tables whose routes share large sets.
func BenchmarkCompareAddresses(b *testing.B) {
	var text strings.Builder
	text.WriteString("addresses: {office: [")
	for i := range 1000 {
		fmt.Fprintf(&text, "10.%d.%d.0/24, ", i/250, i%250)
	}
	text.WriteString("192.0.2.0/24]}\nroutes:\n")
	for i := range 100 {
		fmt.Fprintf(&text, "  - {name: r%d, prefix: /r%d, backend: 'http://b', methods: [GET, POST], allow_from: [office]}\n", i, i)
	}
	before := compile(b, text.String(), "")
	after := compile(b, strings.Replace(text.String(), "192.0.2.0/24", "192.0.0.0/16", 1), "")
	for b.Loop() {
		if len(Compare(before, after).Weaker) != 100 {
			b.Fatal("not all routes are weaker")
		}
	}
}
