package route

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/config"
)

// newTable returns the table of the routes. Each is the content of a YAML flow mapping,
// without a backend.
func newTable(t testing.TB, routes ...string) *Table {
	t.Helper()
	var text strings.Builder
	text.WriteString("users: off\ndefaults: {auth: none}\nroutes:\n")
	for _, r := range routes {
		fmt.Fprintf(&text, "  - {backend: \"http://127.0.0.1:9\", %s}\n", r)
	}
	cfg, err := config.Parse("routes.yaml", []byte(text.String()), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatalf("parse table: %v\n%s", err, text.String())
	}
	made, err := New(cfg.Routes)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// matched returns the name of the route, or the status and Allow of the refusal that
// the gateway would answer with.
func matched(table *Table, method, host, path string, header http.Header) string {
	p, ok := ParsePath(path)
	if !ok {
		return "path"
	}
	host, ok = HostName(host)
	if !ok {
		return "host"
	}
	switch found := table.Match(p, Query{Method: method, Host: host, Header: header}); {
	case found.Ambiguous:
		return "400"
	case found.Route != nil:
		return found.Route.Config.Name
	case found.Allow != "":
		return "405 " + found.Allow
	}
	return "404"
}

func TestMatch(t *testing.T) {
	t.Parallel()
	table := newTable(t,
		`name: query, prefix: /api/v1/query`,
		`name: chats, prefix: /api/v1/query/chats, methods: [POST, GET]`,
		`name: admin, prefix: /api/v1/query/admin, hosts: [admin.example.com]`,
		`name: exact, prefix: /hosts, hosts: [a.example.com, "[2001:db8::1]"]`,
		`name: wild, prefix: /hosts, hosts: ["*.example.com"]`,
		`name: wilder, prefix: /hosts, hosts: ["*.b.example.com"]`,
		`name: anyhost, prefix: /hosts, methods: [GET]`,
		`name: beta, prefix: /flags, headers: {x-beta: "1"}`,
		`name: betamax, prefix: /flags, headers: {X-Beta: "1", X-Max: "2"}`,
		`name: reads, prefix: /flags, methods: [GET]`,
		`name: flags, prefix: /flags`,
		`name: onlybeta, prefix: /only, headers: {X-Beta: "1"}`,
		`name: writes, prefix: /split, methods: [POST, PUT]`,
		`name: deletes, prefix: /split, methods: [DELETE, GET]`,
		`name: escaped, prefix: "/caf%C3%A9"`,
	)
	beta := http.Header{"X-Beta": {"1"}}
	tests := []struct {
		method, host, path string
		header             http.Header
		want               string
	}{
		// A prefix ends where a segment ends.
		{"GET", "x", "/api/v1/query", nil, "query"},
		{"GET", "x", "/api/v1/query/", nil, "query"},
		{"GET", "x", "/api/v1/query/a/b/c", nil, "query"},
		{"GET", "x", "/api/v1/queryx", nil, "404"},
		{"GET", "x", "/api/v1/quer", nil, "404"},
		{"GET", "x", "/api/v1", nil, "404"},
		{"GET", "x", "/", nil, "404"},
		{"GET", "x", "/x/api/v1/query", nil, "404"},
		// Case matters in paths, and not in hosts.
		{"GET", "x", "/API/v1/query", nil, "404"},
		// The longest prefix wins.
		{"GET", "x", "/api/v1/query/chats/1", nil, "chats"},
		{"GET", "x", "/api/v1/query/chatsx", nil, "query"},
		// GET includes HEAD; other methods do not fall back to a shorter prefix.
		{"HEAD", "x", "/api/v1/query/chats", nil, "chats"},
		{"DELETE", "x", "/api/v1/query/chats", nil, "405 GET, HEAD, POST"},
		{"get", "x", "/api/v1/query/chats", nil, "405 GET, HEAD, POST"},
		{"OPTIONS", "x", "/api/v1/query/chats", nil, "405 GET, HEAD, POST"},
		{"BREW", "x", "/api/v1/query", nil, "query"},
		// A host that does not match falls back to a shorter prefix.
		{"GET", "admin.example.com", "/api/v1/query/admin", nil, "admin"},
		{"GET", "x", "/api/v1/query/admin", nil, "query"},
		// Exact host, then the longest wildcard, then none.
		{"GET", "a.example.com", "/hosts", nil, "exact"},
		{"GET", "A.Example.COM:8080", "/hosts", nil, "exact"},
		{"GET", "a.example.com.", "/hosts", nil, "exact"},
		{"GET", "[2001:db8::1]:80", "/hosts", nil, "exact"},
		{"GET", "[2001:DB8:0::1]", "/hosts", nil, "exact"},
		{"GET", "z.example.com", "/hosts", nil, "wild"},
		{"GET", "y.z.example.com", "/hosts", nil, "wild"},
		{"GET", "z.b.example.com", "/hosts", nil, "wilder"},
		{"GET", "b.example.com", "/hosts", nil, "wild"},
		{"GET", "example.com", "/hosts", nil, "anyhost"},
		{"GET", "xexample.com", "/hosts", nil, "anyhost"},
		{"GET", "", "/hosts", nil, "anyhost"},
		{"POST", "other.org", "/hosts", nil, "405 GET, HEAD"},
		{"POST", "z.example.com", "/hosts", nil, "wild"},
		// Methods before none, more headers before fewer.
		{"GET", "x", "/flags", nil, "reads"},
		{"POST", "x", "/flags", nil, "flags"},
		{"POST", "x", "/flags", beta, "beta"},
		{"POST", "x", "/flags", http.Header{"X-Beta": {"1"}, "X-Max": {"2"}}, "betamax"},
		{"POST", "x", "/flags", http.Header{"X-Beta": {"0", "1"}}, "beta"},
		{"POST", "x", "/flags", http.Header{"X-Beta": {"1 "}}, "flags"},
		{"POST", "x", "/only", nil, "404"},
		{"POST", "x", "/only", beta, "onlybeta"},
		// Allow lists the methods of all routes of the prefix.
		{"PUT", "x", "/split", nil, "writes"},
		{"HEAD", "x", "/split", nil, "deletes"},
		{"PATCH", "x", "/split", nil, "405 DELETE, GET, HEAD, POST, PUT"},
		// A prefix with escapes is matched as written.
		{"GET", "x", "/caf%C3%A9/menu", nil, "escaped"},
	}
	for _, tt := range tests {
		if got := matched(table, tt.method, tt.host, tt.path, tt.header); got != tt.want {
			t.Errorf("%s %q %s %v = %s, want %s", tt.method, tt.host, tt.path, tt.header, got, tt.want)
		}
	}
}

// A path that a careless backend would read as a path of another route is refused.
// Otherwise the weaker policy of one route would apply to the other.
func TestMatchRefusesTwoReadings(t *testing.T) {
	t.Parallel()
	table := newTable(t,
		`name: root, prefix: /, allow_encoded_slashes: true`,
		`name: admin, prefix: /admin`,
		`name: cafe, prefix: "/caf%C3%A9"`,
		`name: at, prefix: "/a%40b"`,
		`name: data, prefix: /data`,
	)
	for path, want := range map[string]string{
		"/admin":           "admin",
		"/%61dmin":         "400",
		"/%2561dmin":       "400",
		"/admin;x=1":       "400",
		"/admin;x/users":   "400",
		"/admin%3Bx":       "400",
		"/admin%2Fusers":   "400",
		"/x%2Fadmin":       "root",
		"/%61dmi":          "root",
		"/admin/%61":       "admin",
		"/admin/a;b":       "admin",
		"/admin/a%2Fb":     "400", // the route does not allow encoded slashes
		"/data/100%25":     "data",
		"/data/100%2525":   "data",
		"/caf%C3%A9":       "cafe",
		"/caf%C3%A9/%41":   "cafe",
		"/caf%c3%a9":       "400",
		"/caf\xc3\xa9":     "400",
		"/c%61f%C3%A9":     "400",
		"/caf%25C3%25A9/x": "400",
		"/a%40b/x":         "at",
		"/a@b/x":           "400",
	} {
		if got := matched(table, "GET", "x", path, nil); got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
}

func TestMatchRoot(t *testing.T) {
	t.Parallel()
	table := newTable(t, `name: root, prefix: /`, `name: api, prefix: /api`)
	for path, want := range map[string]string{"/": "root", "/x": "root", "/apix": "root", "/api": "api", "/api/": "api"} {
		if got := matched(table, "GET", "x", path, nil); got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, size := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var routes []string
			for i := range size {
				routes = append(routes, fmt.Sprintf("name: r%d, prefix: /api/v1/service%d, methods: [GET]", i, i))
			}
			table := newTable(b, routes...)
			path, _ := ParsePath(fmt.Sprintf("/api/v1/service%d/chats/42/messages", size/2))
			header := http.Header{"Accept": {"*/*"}}
			b.ReportAllocs()
			for b.Loop() {
				if found := table.Match(path, Query{Method: "GET", Host: "example.com", Header: header}); found.Route == nil {
					b.Fatal(found)
				}
			}
		})
	}
}
