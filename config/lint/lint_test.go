// Tests of warnings: the corpus of valid files with warnings, files without
// warnings, and the time for a large table.

package lint

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/config/configtest"
	"gatehouse/internal/testkit"
)

// Each file causes one kind of warning. The text beside it is what an operator
// reads.
func TestWarnCorpus(t *testing.T) {
	files, err := filepath.Glob("../testdata/warn/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			table, err := config.Parse("routes.yaml", testkit.ReadFile(t, path), configtest.Environment(), Check)
			if err != nil {
				t.Fatal(err)
			}
			if len(table.Warnings) == 0 || table.Warnings.HasErrors() {
				t.Fatalf("no warning: %v", table.Warnings)
			}
			var got strings.Builder
			if _, err := table.Warnings.WriteTo(&got); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.ToLower(got.String()), "hunter2") {
				t.Errorf("a secret is shown:\n%s", got.String())
			}
			configtest.Golden(t, strings.TrimSuffix(path, ".yaml")+".txt", got.String())
		})
	}
}

// routesTable returns a table of routes in flow style, without their braces.
func routesTable(routes ...string) string {
	var b strings.Builder
	b.WriteString("routes:\n")
	for i, route := range routes {
		fmt.Fprintf(&b, "  - {name: r%d, %s}\n", i, route)
	}
	return b.String()
}

// mustCheck parses and checks a valid table.
func mustCheck(t *testing.T, text string, variables map[string]string) *config.Config {
	t.Helper()
	table, err := config.Parse("routes.yaml", []byte(text), testkit.Lookup(variables), Check)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// A correct table has no warnings, because operators ignore too many of them.
func TestNoWarning(t *testing.T) {
	for name, text := range map[string]string{
		"reads and the rest": routesTable(`prefix: /a, backend: "http://a", methods: [GET]`, `prefix: /a, backend: "http://a"`),
		"the same headers": routesTable(`prefix: /a, backend: "http://a", methods: [GET], headers: {X-A: "1"}`,
			`prefix: /a, backend: "http://a", headers: {x-a: "1"}`),
		"other values":    routesTable(`prefix: /a, backend: "http://a", methods: [GET], headers: {X-A: "1"}`, `prefix: /a, backend: "http://a", headers: {X-A: "2", X-B: "1"}`),
		"other hosts":     routesTable(`prefix: /a, backend: "http://a", methods: [GET], hosts: [a.b]`, `prefix: /a, backend: "http://a", hosts: ["*.b"], headers: {X-A: "1"}`),
		"other prefixes":  routesTable(`prefix: /a/b, backend: "http://a", methods: [GET]`, `prefix: /a, backend: "http://a", headers: {X-A: "1"}`),
		"header first":    routesTable(`prefix: /a, backend: "http://a", methods: [GET]`, `prefix: /a, backend: "http://a", methods: [GET], headers: {X-A: "1"}`),
		"other ports":     routesTable(`prefix: /a, backend: "http://a:81", auth: none`, `prefix: /b, backend: "http://a"`),
		"other schemes":   routesTable(`prefix: /a, backend: "https://a:80", auth: none`, `prefix: /b, backend: "http://a:80"`),
		"all open":        routesTable(`prefix: /a, backend: "http://a", auth: none`, `prefix: /b, backend: "http://a", auth: none`),
		"initial beside":  routesTable(`prefix: /a, backend: "http://a", auth: initial`, `prefix: /b, backend: "http://a"`),
		"initial above":   routesTable(`prefix: /, backend: "http://a", auth: initial`, `prefix: /b, backend: "http://a"`),
		"one on the way":  routesTable(`prefix: /a, backend: "http://a", strip_prefix: true, auth: initial`, `prefix: /b, backend: "http://a"`, `prefix: /a/b, backend: "http://o"`),
		"no tail":         routesTable(`prefix: /v1.2, backend: "http://a", auth: initial`, `prefix: /v1, backend: "http://a"`),
		"tail of another": routesTable(`prefix: /a., backend: "http://a", auth: none`, `prefix: /a, backend: "http://b"`),
		"a handler":       routesTable(`prefix: /users, handler: users`, `prefix: /u, backend: "http://a", auth: none`),
		"long names":      "name: The Production Gateway Of My Company 2\n" + routesTable(`prefix: /risk-assessment-service-in-production-2024/v1, backend: "http://query-service-7d9f8b6c5d-x2x4z.my-development.svc.cluster.local"`),
		"a claim":         "identity: {headers: {X-Access-Token: access_token_claim}}\n" + configtest.OneRoute,
		"the environment": routesTable(`prefix: /a, backend: "http://a", headers: {X-API-Key: "${TOKEN}", Authorization: "Bearer ${TOKEN}"}`),
		"identifiers":     "users: {companies: [9b8f7e6d-5c4b-4a39-8877-665544332222]}\n" + routesTable(`prefix: /a, backend: "http://a", headers: {X-Tenant: 9b8f7e6d5c4b4a398877665544332222}`),
		"documents":       "name: Basic authentication service\n" + routesTable(`prefix: /BasicAuthenticationAndAuthorizationService2, backend: "http://a"`),
		"long polling":    routesTable(`prefix: /a, backend: "http://a", timeout: 0`),
		"plain origins":   "cors: {origins: [http://a.com]}\n" + configtest.OneRoute,
	} {
		t.Run(name, func(t *testing.T) {
			if table := mustCheck(t, text, map[string]string{"TOKEN": "hunter2hunter2"}); len(table.Warnings) > 0 {
				t.Errorf("%s\n%v", text, table.Warnings)
			}
		})
	}
}

// Large tables that would need a comparison of all pairs of routes.
func TestWarningsOfBigTables(t *testing.T) {
	for name, each := range map[string]func(i int) string{
		"one backend": func(i int) string {
			return fmt.Sprintf("prefix: /a%d, backend: 'http://a', auth: %s", i, []string{"none", "strict"}[i%2])
		},
		"one space": func(i int) string {
			return fmt.Sprintf("prefix: /a%d, backend: 'http://a', strip_prefix: true, auth: %s", i, []string{"none", "initial", "strict"}[i%3])
		},
		"nested": func(i int) string {
			return fmt.Sprintf("prefix: '%s/%d', backend: 'http://a', auth: %s", strings.Repeat("/a", i%20), i, []string{"none", "strict"}[i%2])
		},
		"headers": func(i int) string {
			return fmt.Sprintf("prefix: /a, backend: 'http://a', headers: {X-A: 'a%d', X-B: b, X-C: c}%s", i/2, []string{", methods: [GET]", ""}[i%2])
		},
	} {
		t.Run(name, func(t *testing.T) {
			var routes []string
			for i := range 2_000 {
				routes = append(routes, each(i))
			}
			text := []byte(routesTable(routes...))
			start := time.Now()
			if _, err := config.Parse("routes.yaml", text, nil, Check); err != nil {
				t.Fatal(err)
			}
			// It takes a tenth of a second; comparing all pairs would take
			// minutes.
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

// The example tables have no warnings.
func TestGoodCorpusHasNoWarning(t *testing.T) {
	for _, path := range goodTables(t) {
		table, err := config.Load(path, configtest.Environment(), Check)
		if err != nil || len(table.Warnings) > 0 {
			t.Errorf("%s: %v, warnings:\n%v", path, err, table.Warnings)
		}
	}
}

// goodTables are the valid files of the corpus, and the example tables.
func goodTables(t testing.TB) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../testdata/good/*.yaml", "../../examples/*.yaml", "../../routes.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// Checking ends soon, for every table.
func FuzzCheck(f *testing.F) {
	warned, err := filepath.Glob("../testdata/warn/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(warned, goodTables(f)...) {
		f.Add(testkit.ReadFile(f, path))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		table, err := config.Parse("routes.yaml", data, configtest.Environment(), Check)
		if took := time.Since(start); took > time.Minute {
			t.Fatalf("took %v", took)
		}
		if err == nil && table.Warnings.HasErrors() {
			t.Fatalf("a check found errors: %v", table.Warnings)
		}
	})
}
