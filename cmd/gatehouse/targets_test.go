package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gatehouse/config"
	"gatehouse/internal/testkit"
)

// targetCase is a key of routes, and a request whose answer depends on it.
type targetCase struct {
	key     string
	with    string // the key, behind the other keys that it needs
	without string // these other keys; for both, `auth: none` is added where they have no auth
	send    request
	host    string // that the request is for
	path    string // below the prefix of the route
	// targets are those of a route that may have the key: b for a backend, s for one with
	// https, n for a named one, m for several, r for a redirect, a for a fixed answer, h for
	// a handler.
	targets string
}

// nothing is the key of a case without any: both answers are the same.
const nothing = "nothing"

// targetCases returns a case for every key, except names, targets, and the timeouts that a
// backend would have to be slow for. TestTimeouts and others test those.
func targetCases(folder string) []targetCase {
	const (
		all      = "bsnmrah"
		policy   = "bsnmra" // the endpoints of a handler have their own
		forwards = "bsnm"
	)
	header := func(name, value string) request { return request{header: http.Header{name: {value}}} }
	return []targetCase{
		{key: nothing, targets: all},
		{key: "hosts", with: "hosts: [in.example.com]", host: "out.example.com", targets: all},
		{key: "methods", with: "methods: [GET]", send: request{method: http.MethodPost}, targets: all},
		{key: "headers", with: "headers: {X-A: x}", targets: all},
		{key: "match_headers", with: "match_headers: {X-A: x}", targets: all},
		{key: "auth", with: "auth: strict", targets: policy},
		{key: "roles", with: "auth: initial\nroles: [admin]", without: "auth: initial", send: request{token: "of ann"}, targets: policy},
		{key: "claims", with: "auth: initial\nclaims: {role: admin}", without: "auth: initial", send: request{token: "of ann"}, targets: policy},
		{key: "basic", with: "auth: none\nbasic: users.htpasswd", targets: policy},
		{key: "allow_from", with: "allow_from: [192.0.2.0/24]", targets: all},
		{key: "deny_from", with: "deny_from: [127.0.0.0/8]", targets: all},
		{key: "strip_prefix", with: "strip_prefix: true", targets: forwards},
		{key: "rewrite", with: "rewrite: {from: '^/with/rewrite/x$', to: /y}", targets: forwards},
		{key: "rewrite_location", with: "strip_prefix: true\nrewrite_location: off", without: "strip_prefix: true", targets: forwards},
		{key: "preserve_host", with: "preserve_host: true", host: "shop.example.com", targets: forwards},
		{key: "forward_token", with: "auth: initial\nforward_token: false", without: "auth: initial", send: request{token: "of ann"}, targets: forwards},
		{key: "allow_encoded_slashes", with: "allow_encoded_slashes: true", path: "/x%2Fy", targets: policy},
		{key: "protocol", with: "protocol: h2c", targets: "bnm"},
		{key: "upgrade", with: "upgrade: []", send: request{header: http.Header{"Connection": {"upgrade"}, "Upgrade": {"websocket"}}}, targets: forwards},
		{key: "request_headers", with: "request_headers: {set: {X-A: x}}", targets: forwards},
		{key: "cors", with: `cors: {origins: ["https://app.example.com"]}`, send: header("Origin", "https://app.example.com"), targets: all},
		{key: "response_headers", with: "response_headers: {set: {X-A: x}}", targets: all},
		{key: "compress", with: "compress: [gzip]", send: header("Accept-Encoding", "gzip"), targets: "bsnma"},
		// This value leads to another side than the address of the client.
		{key: "split_by", with: "split_by: {header: X-Tenant}", send: header("X-Tenant", "a"), targets: "m"},
		{key: "mirror", with: "mirror: {backend: copies, percent: 100%}", targets: forwards},
		{key: "tls", with: "tls: {ca: " + filepath.Join(folder, "ca.pem") + "}", targets: "s"},
		{key: "max_body", with: "max_body: 1B", send: request{method: http.MethodPost, body: "more than a byte"}, targets: forwards},
	}
}

// sizeOfAnswers is worth compressing.
const sizeOfAnswers = 4 << 10

// namedBackends returns backends for routes, and a channel of the targets of the requests
// that `copies` gets. The two sides of a split differ in a header of their answers.
func namedBackends(t *testing.T, plain string) (table string, copied <-chan string) {
	other := testkit.ServeH2C(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Side", "two")
		seenByBackend(w, r)
	}, func(s *http.Server) { s.Protocols.SetHTTP1(true) })
	targets := make(chan string, 16)
	copies := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) { targets <- r.RequestURI })
	return fmt.Sprintf("backends:\n  one: {servers: [%q]}\n  two: {servers: [%q]}\n  copies: {servers: [%q]}\n", plain, other, copies), targets
}

// seenByBackend answers with what the backend gets.
func seenByBackend(w http.ResponseWriter, r *http.Request) {
	names := slices.Sorted(maps.Keys(r.Header))
	w.Header().Set("Location", "/below")
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "%s %s %s, host %s, %v, token %v, upgrade %q\n%s", r.Method, r.RequestURI, r.Proto, r.Host, names,
		r.Header.Get("Authorization") != "", r.Header["Upgrade"], strings.Repeat("x", sizeOfAnswers))
}

// route returns a route with the key, or without it, and the prefix of the route. Both
// prefixes have the same length.
func (c *targetCase) route(with bool, target string) (prefix, text string) {
	prefix, keys := "/none/"+c.key, c.without
	if with {
		prefix, keys = "/with/"+c.key, c.with
	}
	if !strings.Contains(keys, "auth:") && !strings.Contains(target, "handler:") {
		keys += "\nauth: none"
	}
	if c.key == "tls" {
		target, _, _ = strings.Cut(target, "\n")
	}
	name := strings.ReplaceAll(strings.Trim(prefix, "/"), "/", "-")
	lines := []string{"  - name: " + name, "prefix: " + prefix, target}
	for line := range strings.Lines(keys) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return prefix, strings.Join(lines, "\n    ") + "\n"
}

// answerOf returns the answer to the request of the case as text, without the prefix.
func (c *targetCase) answerOf(t *testing.T, gateway *running, prefix, token string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), cmp.Or(c.send.method, http.MethodGet), gateway.url+prefix+cmp.Or(c.path, "/x"), strings.NewReader(c.send.body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, c.send.header)
	r.Host = cmp.Or(c.host, r.Host)
	if c.send.token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Date", "X-Request-Id", "X-Process-Time"} {
		res.Header.Del(name)
	}
	text := regexp.MustCompile(`[0-9a-f-]{36}`).ReplaceAllString(fmt.Sprint(res.StatusCode, res.Header, string(body)), "ID")
	return strings.ReplaceAll(text, prefix, "PREFIX")
}

// TestEveryKeyWithEveryTarget gives routes to each kind of target each key. The answer to a
// request depends on the key, or check refuses it at its place, with a hint.
func TestEveryKeyWithEveryTarget(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	plain := testkit.ServeH2C(t, seenByBackend, func(s *http.Server) { s.Protocols.SetHTTP1(true) })
	secure := httptest.NewUnstartedServer(http.HandlerFunc(seenByBackend))
	secure.Config.ErrorLog = testkit.DiscardLog()
	secure.StartTLS()
	t.Cleanup(secure.Close)
	testkit.WriteFile(t, filepath.Join(folder, "ca.pem"), testkit.CertificatePEM(secure.Certificate()))
	testkit.WriteFile(t, filepath.Join(folder, "users.htpasswd"), keyFiles()["users.htpasswd"])
	targets := map[string]string{
		"b": `backend: "` + plain + `"`, "s": `backend: "` + secure.URL + "\"\n    tls: {ca: " + filepath.Join(folder, "ca.pem") + "}",
		"n": "backend: one", "m": "backend: {one: 1, two: 1}", "r": `redirect: {to: /new}`, "a": `respond: {body: "` + strings.Repeat("x", sizeOfAnswers) + `"}`, "h": `handler: users`,
	}
	untested := yamlKeys(reflect.TypeFor[config.Route]())
	for _, key := range append(config.TargetKeys(), "name", "prefix", "timeout", "connect_timeout", "idle_timeout") {
		delete(untested, key)
	}
	cases := targetCases(folder)
	for _, c := range cases {
		delete(untested, c.key)
	}
	if len(untested) > 0 {
		t.Errorf("add cases for %v", slices.Sorted(maps.Keys(untested)))
	}
	for kind, target := range targets {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			backends, copied := namedBackends(t, plain)
			serveEveryKey(t, folder, kind, backends, target, cases, copied)
			for _, c := range cases {
				if !strings.Contains(c.targets, kind) {
					refuseKey(t, backends, target, &c)
				}
			}
		})
	}
}

// serveEveryKey runs a gateway with routes to one kind of target.
func serveEveryKey(t *testing.T, folder, kind, backends, target string, cases []targetCase, copied <-chan string) {
	t.Helper()
	var table strings.Builder
	table.WriteString(backends)
	table.WriteString("users: {companies: [" + listedCompany + "]}\nroutes:\n  - {name: users, prefix: /api/v1/users, handler: users}\n")
	for _, c := range cases {
		if strings.Contains(c.targets, kind) {
			_, with := c.route(true, target)
			_, without := c.route(false, target)
			table.WriteString(with + without)
		}
	}
	file := filepath.Join(folder, kind+".yaml")
	testkit.WriteFile(t, file, table.String())
	store := "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	company := uuid.MustParse(listedCompany)
	addUser(t, store, "ann@example.com", &company)
	gateway := start(t, file, map[string]string{"GATEWAY_DATABASE_URL": store})
	token := login(t, gateway, "ann@example.com")
	for _, c := range cases {
		if !strings.Contains(c.targets, kind) {
			continue
		}
		with, _ := c.route(true, target)
		without, _ := c.route(false, target)
		other, one := c.answerOf(t, gateway, without, token), c.answerOf(t, gateway, with, token)
		if c.key == "mirror" { // the answer is that of the backend, and the first copy is of the later request
			if got, want := testkit.Receive(t, "a copy", copied), with+"/x"; got != want {
				t.Errorf("with %s: a copy of %s, want %s", c.with, got, want)
			}
			continue
		}
		if (one == other) != (c.key == nothing) {
			t.Errorf("with %s: %.300s\nwithout: %.300s", c.with, one, other)
		}
	}
}

// refuseKey checks a table with a key that a kind of target does not have.
func refuseKey(t *testing.T, backends, target string, c *targetCase) {
	t.Helper()
	table := backends + "routes:\n  - name: a\n    prefix: /a\n    " + target + "\n    " + strings.ReplaceAll(c.with, "\n", "\n    ") + "\n"
	path := testkit.TempFile(t, "routes.yaml", table)
	var out bytes.Buffer
	status := run(t.Context(), []string{"check", "--format", "json", path}, terminal{in: http.NoBody, out: &out, err: &out, lookup: testkit.Lookup(nil)})
	var said report
	if err := json.Unmarshal(out.Bytes(), &said); err != nil || status != exitFailure || said.Valid {
		t.Fatalf("%s with %s: status %d, %s", target, c.with, status, &out)
	}
	before, _, _ := strings.Cut(table, c.key+":")
	line := 1 + strings.Count(before, "\n")
	for _, p := range said.Problems {
		if p.Line == line && p.Column == 5 && p.Hint != "" && strings.Contains(p.Message, c.key) {
			return
		}
	}
	t.Errorf("%s with %s: %+v", target, c.with, said.Problems)
}
