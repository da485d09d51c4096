package lint

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/config"
	"gatehouse/config/yamldoc"
)

// TestPlacesOfManyServers compares routes to a backend of many servers. The number of
// comparisons must not grow with the servers, but for those that others name, too.
func TestPlacesOfManyServers(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("backends:\n  big: {servers: [")
	for i := range 300 {
		fmt.Fprintf(&b, "http://server-%d, ", i)
	}
	b.WriteString("http://last]}\n  small: {servers: [http://server-7, http://other]}\nroutes:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  - {name: r%d, prefix: /r%d, backend: {big: 1, small: 1}}\n", i, i)
	}
	b.WriteString("  - {name: url, prefix: /url, backend: 'http://last', mirror: {backend: small, percent: 1}}\n")
	checked := false
	_, err := config.Parse("routes.yaml", []byte(b.String()), nil, func(table *config.Config, file *yamldoc.Field) {
		checked = true
		l := &linter{table: table, file: file, named: placesOf(table)}
		routes, guarding, _ := l.backendRoutes()
		// Each route: the two backends, server-7 for both of them, and last.
		if want := 100*5 + 3; len(routes) != want || len(guarding) != want-2 {
			t.Errorf("%d and %d comparisons, want %d and %d", len(routes), len(guarding), want, want-2)
		}
	})
	if err != nil || !checked {
		t.Fatal(err)
	}
}
