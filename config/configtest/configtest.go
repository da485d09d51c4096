// Package configtest holds what the tests of config and of the packages below it
// share: the environment and the expected texts of config/testdata.
package configtest

import (
	"flag"
	"os"
	"testing"

	"gatehouse/internal/testkit"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the expected texts anew")

// OneRoute is the smallest valid table.
const OneRoute = "routes:\n  - name: query\n    prefix: /q\n    backend: http://query\n"

// Environment returns a lookup in the environment of the files in
// config/testdata.
func Environment() func(name string) (string, bool) {
	return testkit.Lookup(map[string]string{
		"TOKEN":       "hunter2-in-the-environment",
		"BACKEND":     "htp://query-service",
		"DATABASE":    "http://admin:hunter2-in-the-environment@db",
		"NAME":        "from-environment",
		"STRUCTURE":   "[a, b]",
		"TWO_LINES":   "a\nb",
		"EMPTY":       "",
		"NINETY_SECS": "90",
	})
}

// Golden compares a text with the file at path, or writes the file with -update.
func Golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(testkit.ReadFile(t, path)), got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
