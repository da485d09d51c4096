package main

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/config"
	"gatehouse/internal/testkit"
	"gatehouse/proxy"
	"gatehouse/proxy/explain"
)

// TestExplainOfRandomTables compares `explain` with a running gateway: the verdict, the
// status, which backend and which of its servers gets the request, and what it gets, for
// random requests to random tables.
func TestExplainOfRandomTables(t *testing.T) {
	t.Parallel()
	const tables, requests = 28, 100
	key := authtest.NewRSA(t, 2048)
	hash, err := bcrypt.GenerateFromPassword([]byte(testPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	servers := make([]string, 8)
	for i := range servers {
		servers[i] = testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			seen, _ := json.Marshal(forwardedRequest{servers[i], r.RequestURI, r.Host, r.Header}) // of text alone
			w.Header().Set("Seen", base64.StdEncoding.EncodeToString(seen))
		})
	}
	var verdicts counts
	t.Cleanup(func() { verdicts.check(t) })
	for seed := range uint64(tables) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := &randomTable{Rand: rand.New(rand.NewPCG(seed, 12)), servers: servers, users: seed%4 == 3}
			folder := t.TempDir()
			testkit.WriteFile(t, filepath.Join(folder, "users.htpasswd"), "ops:"+string(hash)+"\n")
			testkit.WriteFile(t, filepath.Join(folder, "keys"), jwkOf(t, key, "a", nil))
			file := filepath.Join(folder, "routes.yaml")
			table := random.table(file, filepath.Join(folder, "keys"))
			testkit.WriteFile(t, file, table)
			settings := map[string]string{"GATEWAY_DATABASE_URL": "sqlite:" + filepath.Join(t.TempDir(), "users.db")}
			gateway := start(t, file, settings)
			asked := newQuestions(t, file, settings, signedBy(t, key, nil, nil))
			asked.verdicts = &verdicts
			for range requests {
				r := random.request(t, key)
				if difference := asked.compare(t, gateway, r); difference != "" {
					t.Errorf("%s\n%s\n%s", r.text(), difference, table)
				}
			}
		})
	}
}

// forwardedRequest is what a server gets.
type forwardedRequest struct {
	Server, Target, Host string
	Header               http.Header
}

// randomTable makes tables and requests.
type randomTable struct {
	*rand.Rand
	servers []string // their URLs
	users   bool     // the table has built-in users; then no token is good, because its user is unknown
}

func (r *randomTable) of(choices ...string) string { return choices[r.IntN(len(choices))] }

// maybe returns one of the choices, with a probability of one in n.
func (r *randomTable) maybe(n int, choices ...string) string {
	if r.IntN(n) > 0 {
		return ""
	}
	return r.of(choices...)
}

// isValid reports whether check takes a table.
func isValid(file, table string) bool {
	cfg, err := config.Parse(file, []byte(table), nil)
	if err != nil {
		return false
	}
	problems, err := checkCompiled(cfg)
	return err == nil && !problems.HasErrors()
}

// table returns a valid table for a file.
func (r *randomTable) table(file, keys string) string {
	head := "trusted_proxies: [127.0.0.1]\naddresses: {office: [192.0.2.0/24]}\n" +
		"tokens: [{issuer: \"" + otherIssuer + "\", keys: " + keys + ", algorithms: [RS256], audience: orders}]\n"
	if !r.users {
		head += "users: off\n"
	}
	head += r.backends()
	head += r.maybe(2, "cors: {origins: [\"https://app.example.com\"]}\n", "cors: {origins: [\"*\"], allow_methods: [GET]}\n")
	routes := "routes:\n"
	for i := range 14 {
		route := "  - {name: " + fmt.Sprintf("r%d", i) + ", " + r.route(i) + "}\n"
		if isValid(file, head+routes+route) {
			routes += route
		}
	}
	return head + routes
}

// backends returns named backends. No two of them share a server.
func (r *randomTable) backends() string {
	s := r.servers
	return fmt.Sprintf("backends:\n  two: {servers: [%q, {url: %q, weight: 3}, {url: %q, weight: 0}]%s}\n", s[1], s[2], s[3], r.maybe(2, ", balance: round_robin", ", max_requests: 100")) +
		fmt.Sprintf("  hashed: {servers: [%q, %q, %q], balance: hash, hash: %s}\n", s[4]+"/base", s[5]+"/base/", s[6]+"/base", r.of("client_ip", "{header: X-B}", "{cookie: side}", "{claim: sub}")) +
		fmt.Sprintf("  one: {servers: [%q]}\n", s[7])
}

// backendKeys returns the backend of a route, which has a name in most cases.
func (r *randomTable) backendKeys() string {
	if r.IntN(4) == 0 {
		return `backend: "` + r.servers[0] + r.of("", "", "/base", "/base/") + `"`
	}
	keys := "backend: " + r.of("two", "hashed", "hashed", "one", "{two: 1, hashed: 9}", "{one: 2, hashed: 2, two: 1}", "{one: 0, two: 1}", "{one: 1, two: 1}")
	if strings.Contains(keys, "{") {
		keys += r.of("", ", split_by: {header: X-A}", ", split_by: {cookie: side}", ", split_by: {claim: role}", ", split_by: client_ip")
	}
	return keys + r.maybe(4, ", mirror: {backend: one, percent: 100}", ", mirror: {backend: two, percent: 0.5%}")
}

// route returns the keys of a route, which may be wrong.
func (r *randomTable) route(i int) string {
	prefix := r.of("/", "/a", "/a", "/a/b", "/a/b/c", "/c", "/caf%C3%A9", "/d")
	if i == 0 {
		prefix = "/" // so that most requests match
	}
	keys := []string{"prefix: " + prefix}
	switch r.IntN(6) {
	case 0:
		keys = append(keys, "redirect: {to: "+r.of(`"https://old.example.com/{rest}"`, `/new`, `"/new/{rest}"`, `"https://new.example.com/x?y=z"`, `"/x?p={rest}"`, `"https://{host}/y"`)+r.maybe(2, ", status: 302", ", status: 303")+"}")
	case 1:
		keys = append(keys, "respond: "+r.of("{status: 503, body: closed}", "{body: hello}", "{status: 204}"))
	case 2:
		if r.users {
			keys = append(keys, "handler: users")
			break
		}
		fallthrough
	default:
		keys = append(keys, r.backendKeys(),
			r.maybe(3, "strip_prefix: true"), r.maybe(4, "preserve_host: true"), r.maybe(4, "forward_token: false"), r.maybe(5, "compress: true"),
			r.maybe(3, `rewrite: {from: "^`+prefix+`/x(/.*)?$", to: "/y$1"}`, `rewrite: {from: "^`+prefix+`/([a-z]+)(/.*)?$", to: "/$1"}`, `rewrite: {from: "^/(.*)$", to: "/z/$1"}`),
			r.maybe(3, `request_headers: {set: {X-Who: "{claim.sub}", X-From: "{client_ip}"}, remove: [X-A]}`, `request_headers: {set: {X-A: "{host}"}, add: {X-B: "{route}"}}`))
	}
	if !slices.Contains(keys, "handler: users") {
		keys = append(keys, r.maybe(4, "allow_encoded_slashes: true"), r.policy())
	}
	keys = append(keys,
		r.maybe(3, `hosts: [a.example.com]`, `hosts: ["*.example.com"]`, `hosts: ["[::1]"]`),
		r.maybe(3, "methods: [GET]", "methods: [POST, PUT]", "methods: [FOO]"),
		r.maybe(4, "match_headers: {X-A: x}", "headers: {X-A: x, X-B: q}"),
		r.maybe(4, "allow_from: [office]", "allow_from: [127.0.0.0/8, '2001:db8::/32']", "deny_from: [office]", "deny_from: [192.0.2.7]"),
		r.maybe(3, "cors: off", `cors: {origins: ["https://app.example.com"], credentials: true}`),
		r.maybe(3, "response_headers: {set: {X-C: c}}"))
	return strings.Join(slices.DeleteFunc(keys, func(key string) bool { return key == "" }), ", ")
}

// policy returns the keys of a route about its callers.
func (r *randomTable) policy() string {
	return r.of("auth: none", "auth: none", "auth: optional", "auth: initial", "", "auth: none, basic: users.htpasswd", "auth: initial, roles: [admin]",
		"roles: [admin, clerk]", "claims: {scope: ['orders:read', 'orders:write']}", "auth: initial, claims: {realm.level: 3}, roles: [clerk]")
}

// randomRequest is a request, and who sends it.
type randomRequest struct {
	method, target string
	header         [][2]string
	claims         map[string]any // of a good token; nil when a real gate decides
}

// text returns the request as a client sends it.
func (r *randomRequest) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.method, r.target)
	for _, field := range r.header {
		fmt.Fprintf(&b, "%s: %s\r\n", field[0], field[1])
	}
	return b.String() + "\r\n"
}

func (r *randomTable) request(t *testing.T, key *rsa.PrivateKey) *randomRequest {
	t.Helper()
	request := &randomRequest{
		method: r.of("GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "FOO"),
		target: r.of("", "/a", "/a", "/a/b", "/a/b/c", "/c", "/caf%C3%A9", "/caf%c3%a9", "/d", "/%61/b", "/A", "/new", "/ab") +
			r.of("", "/", "/x", "/x/", "/x/w", "/abc/def", "/x%2Fy", "/%2e%2e/c", "/../c", "//x", "/x;v=1", "/x%20y", "/%7Ex", "/x%00", "/x\\y", "/.", "/login", "/x%25y", "/x|y") +
			r.of("", "", "?q=1", "?q=/../%2F&q=2", "?"),
	}
	if !strings.HasPrefix(request.target, "/") {
		request.target = "/" + request.target
	}
	add := func(name, value string) {
		if value != "" {
			request.header = append(request.header, [2]string{name, value})
		}
	}
	add("Host", r.of("a.example.com", "b.example.com", "example.com", "A.Example.com:8080", "[::1]:80", "other.test", "a.example.com."))
	add("X-A", r.maybe(2, "x", "y"))
	add("X-B", r.maybe(3, "q"))
	add("Cookie", r.maybe(2, "side=a", "side=b", "side=c", "other=1; side=d", "other=1"))
	add("X-User-Id", r.maybe(4, "forged"))
	add("Origin", r.maybe(2, "https://app.example.com", "https://app.example.com", "https://evil.example.com", "null"))
	if request.method == http.MethodOptions {
		add("Access-Control-Request-Method", r.of("", "GET", "PUT", "FOO"))
	}
	add("X-Forwarded-For", r.maybe(2, "192.0.2.7", "192.0.2.8", "2001:db8::1", "203.0.113.9", "192.0.2.8, 203.0.113.1", "not an address"))
	switch r.IntN(4) {
	case 0: // nobody
	case 1:
		add("Authorization", r.of("Bearer x.y.z", "Basic "+base64.StdEncoding.EncodeToString([]byte("ops:"+testPassword)), "Basic b3BzOng=", "Bearer", "bearer  "))
	default:
		request.claims = map[string]any{"sub": "ann"}
		for name, values := range map[string][]any{
			"company_id": {"acme", "acme", "acme", nil}, "role": {"admin", "clerk", "user", []any{"user", "clerk"}, nil},
			"scope": {"orders:read x", "x", []any{"orders:write"}, nil}, "realm": {map[string]any{"level": json.Number("3")}, map[string]any{"level": json.Number("4")}, nil},
		} {
			if value := values[r.IntN(len(values))]; value != nil {
				request.claims[name] = value
			}
		}
		signed := maps.Clone(request.claims)
		if signed["company_id"] == nil {
			signed["company_id"] = nil // which signedBy gives otherwise
		}
		add("Authorization", "Bearer "+signedBy(t, key, map[string]any{"kid": "a"}, signed))
		if r.users {
			request.claims = nil
		}
	}
	return request
}

// questions asks `explain` about the requests of one table.
type questions struct {
	table *proxy.Table
	gate  auth.Decider // for callers without a good token

	verdicts *counts
}

// counts are how often requests had each kind of verdict.
type counts struct {
	forwarded, redirected, answered, preflights, unauthorized, forbidden, malformed, other atomic.Int32

	named, hashed, split, byChance atomic.Int32 // of those that are forwarded
}

// add counts a verdict.
func (c *counts) add(said *explain.Explanation) {
	kind := &c.other
	switch v := &said.Verdict; {
	case said.Forwarded != nil:
		kind = &c.forwarded
	case v.Location != "":
		kind = &c.redirected
	case v.Allowed:
		kind = &c.answered
	case v.Status == http.StatusNoContent:
		kind = &c.preflights
	case v.Status == http.StatusUnauthorized:
		kind = &c.unauthorized
	case v.Status == http.StatusForbidden:
		kind = &c.forbidden
	case v.Status == http.StatusBadRequest:
		kind = &c.malformed
	}
	kind.Add(1)
	if to := said.Backend; to != nil {
		c.named.Add(1)
		if chosen(to) != "" {
			c.hashed.Add(1)
		}
		switch {
		case strings.Contains(to.Split, "by chance"):
			c.byChance.Add(1)
		case to.Split != "":
			c.split.Add(1)
		}
	}
}

// check fails the test unless every kind was there.
func (c *counts) check(t *testing.T) {
	const least = 10
	for name, count := range map[string]*atomic.Int32{
		"forwarded": &c.forwarded, "redirected": &c.redirected, "answered": &c.answered, "preflights": &c.preflights,
		"unauthorized": &c.unauthorized, "forbidden": &c.forbidden, "malformed": &c.malformed, "other": &c.other,
		"to a named backend": &c.named, "to a server by its hash": &c.hashed, "to one side": &c.split, "to a side by chance": &c.byChance,
	} {
		if count.Load() < least {
			t.Errorf("%s: only %d", name, count.Load())
		}
	}
}

// newQuestions returns questions whose gate knows the keys of the issuer of the token.
func newQuestions(t *testing.T, file string, settings map[string]string, token string) *questions {
	t.Helper()
	settings = maps.Clone(settings)
	settings["GATEWAY_JWT_SECRET"] = testSecret
	var said bytes.Buffer
	at := terminal{in: http.NoBody, out: &said, err: &said, lookup: testkit.Lookup(settings)}
	table, err := offlineTable(at, file)
	if err != nil {
		t.Fatal(err, &said)
	}
	checker, err := newTokenChecker(t.Context(), at, table.Config(), token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(checker.close)
	return &questions{table: table, gate: checker.gate}
}

// compare returns how the answer of the gateway to a request differs from what explain says.
func (q *questions) compare(t *testing.T, gateway *running, sent *randomRequest) string {
	t.Helper()
	client := testkit.Dial(t, gateway.url)
	client.Send(sent.text())
	asked := &http.Request{Method: sent.method} // HEAD has no body
	res, err := http.ReadResponse(client.In, asked)
	if err != nil {
		t.Fatal(sent.text(), err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(sent.text(), err)
	}
	client.Close()

	header := http.Header{}
	for _, field := range sent.header {
		header.Add(field[0], strings.TrimSpace(field[1])) // as HTTP reads it
	}
	decider := q.gate
	if sent.claims != nil {
		decider = auth.SimulatedIdentity(sent.claims)
	}
	r, err := explain.NewRequest(sent.method, sent.target, header)
	if err != nil {
		t.Fatal(err)
	}
	said := explain.Request(q.table, r, decider)
	q.verdicts.add(&said)
	return difference(&said, res, body)
}

// difference compares an explanation with an answer.
func difference(said *explain.Explanation, res *http.Response, body []byte) string {
	isRefused := !said.Verdict.Allowed && said.Verdict.Status != 0
	got := fmt.Sprintf("explain: %+v %+v\nanswer: %d %v %s", said.Verdict, said.Forwarded, res.StatusCode, res.Header, body)
	seen := res.Header.Get("Seen")
	if (said.Forwarded != nil && said.Verdict.Allowed) != (seen != "") {
		return "forwarded or not\n" + got
	}
	if seen != "" {
		return differenceThere(said, seen)
	}
	if said.Verdict.Status != 0 && said.Verdict.Status != res.StatusCode {
		return "another status\n" + got
	}
	if location := res.Header.Get("Location"); location != said.Verdict.Location {
		return "another location\n" + got
	}
	var answer struct{ Detail string }
	if isRefused && len(body) > 0 && res.StatusCode != http.StatusOK && (json.Unmarshal(body, &answer) != nil || answer.Detail != said.Verdict.Detail) {
		return "another refusal\n" + got
	}
	return ""
}

// chosen returns the URL of the server that explain names for a request, or "" when it says
// that there are several.
func chosen(of *explain.Backend) string {
	if strings.Contains(of.Split, "by chance") {
		return ""
	}
	for _, server := range of.Servers {
		if server.Why == "this request, while it is healthy" {
			return server.URL
		}
	}
	return ""
}

// differenceThere compares what explain says with what the server got.
func differenceThere(said *explain.Explanation, seen string) string {
	var got forwardedRequest
	text, err := base64.StdEncoding.DecodeString(seen)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil {
		return err.Error()
	}
	want := forwardedRequest{Host: said.Forwarded.Host, Header: http.Header{}}
	want.Server, want.Target = cutTarget(said.Forwarded.URL)
	if to := said.Backend; to != nil && chosen(to) == "" {
		if !slices.Contains(said.Forwarded.URLs, got.Server+got.Target) {
			return fmt.Sprintf("explain: %+v, %q\nserver: %+v", to, said.Forwarded.URLs, got)
		}
		if _, named, _ := strings.Cut(want.Server, "://"); want.Host == named {
			_, want.Host, _ = strings.Cut(got.Server, "://")
		}
		want.Server, want.Target = got.Server, got.Target
	}
	if to := said.Backend; to != nil && !strings.Contains(to.Split, "by chance") && !mayGet(to, got.Server) {
		return fmt.Sprintf("explain: %+v\nserver: %+v", to, got)
	}
	for name, values := range said.Forwarded.Headers {
		want.Header[http.CanonicalHeaderKey(name)] = values
	}
	for _, header := range []http.Header{want.Header, got.Header} {
		header.Del("X-Request-Id") // new for each request
		header.Del("Content-Length")
		header.Del("Accept-Encoding")
	}
	if one, other := fmt.Sprint(want), fmt.Sprint(got); one != other {
		return "explain: " + one + "\nserver: " + other
	}
	return ""
}

// mayGet reports whether explain says that a server may get a request.
func mayGet(of *explain.Backend, server string) bool {
	return slices.ContainsFunc(of.Servers, func(s explain.Server) bool {
		base, _ := cutTarget(s.URL)
		return base == server && !strings.HasPrefix(s.Why, "none")
	})
}

// cutTarget returns the server of a URL, and what is asked of it.
func cutTarget(url string) (server, target string) {
	scheme, rest, _ := strings.Cut(url, "://")
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		rest, target = rest[:slash], rest[slash:]
	}
	return scheme + "://" + rest, target
}
