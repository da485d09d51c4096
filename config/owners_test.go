// Tests of what the files of owners may say.

package config

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"gatehouse/internal/testkit"
)

// addOwnedFiles adds the files of the corpus, and what an owner might try.
func addOwnedFiles(f *testing.F) {
	f.Helper()
	archives, err := filepath.Glob("testdata/include/*.txtar")
	if err != nil || len(archives) == 0 {
		f.Fatal("no corpus", err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(string(file.Data))
		}
	}
	for _, prefix := range []string{"/team", "/team/a", "/team%3Bx", "/team/%2E%2E/admin", "/team;/x", "/Team", "/", "//team", "/team/../x", "/team/..%2Fx"} {
		f.Add("routes: [{name: a, prefix: '" + prefix + "', backend: 'http://a'}]\n")
	}
	for _, backend := range []string{"own", "shared", "mine", "{own: 1, mine: 1}", "{shared: 1, mine: 1}", "'http://a', mirror: {backend: own, percent: 5}"} {
		for _, keys := range []string{"tls: {ca: ../ca.pem}", "tls: {ca: ca.pem}", "share: true", "timeout: 5s"} {
			f.Add("backends: {mine: {servers: ['https://${MINE}'], " + keys + "}}\nroutes: [{name: a, prefix: /team/x, backend: " + backend + "}]\n")
		}
	}
	for _, keys := range []string{
		"auth: none", "auth: optional", "auth: initial", "auth: initial, tls: {ca: x}", "auth: ${MINE}", "auth: ${SECRET:-initial}", "headers: {X-A: '${SECRET}'}",
		"headers: {X-A: '$${SECRET}'}", "allow_from: [office]", "allow_from: [mine]", "hosts: ['*.example.com']", "request_headers: {set: {X-A: '${SECRET}'}}",
		"roles: []", "roles: [admin]", "roles: [guest, staff]", "claims: {}", "claims: {plan: [pro, free]}", "claims: {plan: pro, region: eu}", "forward_token: true",
	} {
		f.Add("backends: {mine: {servers: ['https://a', 'https://b']}}\nroutes: [{name: a, prefix: /team/x, backend: {mine: 1, shared: 2}, " + keys + "}]\n")
		f.Add("addresses: {mine: ['::1']}\ndefaults: {" + keys + "}\nroutes: [{name: a, prefix: /team/x, backend: 'https://a'}]\n")
		f.Add("routes: [{name: a, prefix: /team/x, backend: 'https://a', " + keys + "}]\n")
	}
}

// mirrorOf returns the backend that gets copies, or nil.
func mirrorOf(route *Route) *BackendRef {
	if route.Mirror == nil {
		return nil
	}
	return route.Mirror.Backend
}

// FuzzOwner writes anything into the file of an owner. When the table is valid,
// the owner has no say outside its prefix, below its policy, and over what
// belongs to the table, and has no variable but its own.
func FuzzOwner(f *testing.F) {
	addOwnedFiles(f)
	const secret = "hunter2-hunter2"
	lookup := testkit.Lookup(map[string]string{"SECRET": secret, "MINE": "initial"})
	folder := f.TempDir()
	table := filepath.Join(folder, "routes.yaml")
	testkit.WriteFile(f, table, "include: [{files: team.yaml, prefix: /team, auth: initial, variables: [MINE]}]\n"+
		"addresses: {office: ['192.0.2.0/24']}\nbackends: {own: {servers: ['https://own']}, shared: {servers: ['https://shared'], share: true}}\n"+
		"defaults: {roles: [staff, admin], claims: {plan: pro}, forward_token: false}\nroutes: [{name: site, prefix: /, backend: own}]\n")
	owned := filepath.Join(folder, "team.yaml")
	testkit.WriteFile(f, owned, "tests: []\n")
	alone, err := Load(table, lookup)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content string) {
		testkit.WriteFile(t, owned, content)
		config, err := Load(table, lookup)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("a message has the secret: %v", err)
			}
			return
		}
		if written, err := json.Marshal(config); err != nil || bytes.Contains(written, []byte(secret)) {
			t.Errorf("the table has the secret:\n%s", content)
		}
		site := 0
		for _, route := range config.Routes {
			if route.Position.File != owned {
				site++
				continue
			}
			if route.Prefix != "/team" && !strings.HasPrefix(route.Prefix, "/team/") {
				t.Errorf("prefix %q:\n%s", route.Prefix, content)
			}
			if route.Auth != PolicyInitial && route.Auth != PolicyStrict {
				t.Errorf("policy %q:\n%s", route.Auth, content)
			}
			if len(route.Roles) == 0 || !slices.Equal(route.Claims["plan"], []string{"pro"}) || route.Backend != nil && route.ForwardToken {
				t.Errorf("roles %q, claims %q, forward_token %t:\n%s", route.Roles, route.Claims, route.ForwardToken, content)
			}
			for _, role := range route.Roles {
				if role != "staff" && role != "admin" {
					t.Errorf("role %q:\n%s", role, content)
				}
			}
			for _, entry := range append(route.AllowFrom.Entries, route.DenyFrom.Entries...) {
				if entry == "office" {
					t.Errorf("names a set of the table:\n%s", content)
				}
			}
			for _, ref := range []*BackendRef{route.Backend, mirrorOf(&route)} {
				if ref != nil && slices.ContainsFunc(ref.Shares, func(s Share) bool { return s.Name == "own" }) {
					t.Errorf("names a backend of the table:\n%s", content)
				}
			}
		}
		for name, backend := range config.Backends {
			if backend.Position.File != owned && alone.Backends[name] == nil {
				t.Errorf("the table has the backend %q:\n%s", name, content)
			}
			if tls := backend.TLS; tls != nil && (tls.Folder != folder || tls.CA+tls.Cert+tls.Key != "") {
				t.Errorf("the backend %q names a file beside the table:\n%s", name, content)
			}
		}
		if site != 1 {
			t.Errorf("%d routes of the table itself:\n%s", site, content)
		}
		for _, name := range []string{"own", "shared"} {
			if !reflect.DeepEqual(alone.Backends[name], config.Backends[name]) {
				t.Errorf("the owner has changed the backend %q:\n%s", name, content)
			}
		}
		config.Routes, config.Tests, config.Hash, config.Warnings = alone.Routes, alone.Tests, alone.Hash, alone.Warnings
		config.Addresses, config.Backends = alone.Addresses, alone.Backends
		if !reflect.DeepEqual(alone, config) {
			t.Errorf("the owner has changed the table to %+v:\n%s", config, content)
		}
	})
}
