package forward

import (
	"slices"
	"testing"

	"gatehouse/config"
)

// TestUnchangedHeaders checks that a table cannot change the headers on which the gateway
// itself depends.
func TestUnchangedHeaders(t *testing.T) {
	names := slices.Concat(ownHeaders, framingHeaders, []string{"Connection", "Te", "Trailer", "Upgrade", "Host", "Expect", "Sec-WebSocket-Key"})
	for name := range config.DefaultIdentityHeaders() {
		names = append(names, name)
	}
	for _, name := range names {
		for _, change := range []string{"set: {" + name + ": a}", "add: {" + name + ": a}", "remove: [" + name + "]"} {
			table := "routes: [{name: a, prefix: /, backend: 'http://b', request_headers: {" + change + "}}]"
			if _, err := config.Parse("routes.yaml", []byte(table), nil); err == nil {
				t.Errorf("%s is accepted", change)
			}
		}
	}
}
