package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// named returns a server that answers with its name and the path, and its URL.
func named(t *testing.T, name string, requests *atomic.Int64) string {
	return testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, name, " ", r.URL.Path)
	})
}

// closedServer returns a URL whose port refuses connections.
func closedServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestServersOfABackend(t *testing.T) {
	t.Parallel()
	var one, two atomic.Int64
	k := startBefore(t, `
backends:
  orders:
    servers: [`+named(t, "one", &one)+`, {url: "`+named(t, "two", &two)+`", weight: 3}]
    balance: round_robin
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
`, "")
	for range 40 {
		if a := k.get("/orders/7"); a.StatusCode != http.StatusOK || !strings.HasSuffix(a.body, " /orders/7") {
			t.Fatalf("%d %q", a.StatusCode, a.body)
		}
	}
	if one.Load() != 10 || two.Load() != 30 {
		t.Errorf("the servers got %d and %d of 40 requests, want 10 and 30", one.Load(), two.Load())
	}
}

// A connection that is refused costs nothing: the request goes to the other server,
// whatever its method and its body.
func TestRefusedConnectionIsRetried(t *testing.T) {
	t.Parallel()
	var up atomic.Int64
	k := startBefore(t, `
backends:
  orders:
    servers: [`+named(t, "up", &up)+`, `+closedServer(t)+`]
    balance: round_robin
    passive: off
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
`, "")
	for i := range 20 {
		body := strings.Repeat("x", i*10_000)
		res, err := k.client().Do(k.request("POST", "/orders", strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("a POST of %d bytes is answered %d", len(body), res.StatusCode)
		}
	}
	if up.Load() != 20 {
		t.Errorf("the server got %d requests, want 20", up.Load())
	}
}

// startNamed starts a gateway with one route to servers that answer with their names. more
// are further keys of the backend.
func startNamed(t *testing.T, more string, servers ...string) *kit {
	t.Helper()
	return startBefore(t, `
backends:
  orders: {servers: [`+strings.Join(servers, ", ")+`], `+more+`}
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
`, "")
}

func TestStickyCookie(t *testing.T) {
	t.Parallel()
	var cookies sync.Map // the Cookie headers that servers got
	var servers []string
	for _, name := range []string{"one", "two", "three"} {
		servers = append(servers, testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			cookies.Store(strings.Join(r.Header["Cookie"], "|"), true)
			_, _ = io.WriteString(w, name)
		}))
	}
	k := startNamed(t, "sticky: {cookie: gh_orders, ttl: 1h}", servers...)
	k.parts.Backends.SetKeys([][]byte{[]byte("the key of the cookies")})
	first := k.get("/orders")
	set := first.Header.Get("Set-Cookie")
	value, _, _ := strings.Cut(strings.TrimPrefix(set, "gh_orders="), ";")
	if want := "gh_orders=" + value + "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"; set != want || len(value) != 22 {
		t.Fatalf("Set-Cookie: %q, want %q", set, want)
	}
	for range 20 {
		a := k.get("/orders", "Cookie: a=1; gh_orders="+value+"; b=2")
		if a.body != first.body || a.Header.Get("Set-Cookie") != "" {
			t.Fatalf("with the cookie: %q and %q, want %q and none", a.body, a.Header.Get("Set-Cookie"), first.body)
		}
	}
	for got := range cookies.Range {
		if got != "" && got != "a=1; b=2" {
			t.Errorf("a server got the cookies %q", got)
		}
	}
	flipped := string(value[0]^1) + value[1:]
	for _, forged := range []string{"", "one", flipped, strings.Repeat("x", 5000)} {
		if a := k.get("/orders", "Cookie: gh_orders="+forged); a.StatusCode != http.StatusOK || a.Header.Get("Set-Cookie") == "" {
			t.Errorf("a forged cookie is answered %d, Set-Cookie %q", a.StatusCode, a.Header.Get("Set-Cookie"))
		}
	}
	k.parts.Backends.SetKeys([][]byte{[]byte("a new key"), []byte("the key of the cookies")})
	if a := k.get("/orders", "Cookie: gh_orders="+value); a.body != first.body {
		t.Errorf("after a change of keys the cookie leads to %q, want %q", a.body, first.body)
	}
	for _, s := range k.gateway.Table().backends.Get("orders").Servers() {
		if a := k.get("/orders", "Cookie: gh_orders="+value); a.body == first.body && s.ID() == servers[slices.Index([]string{"one", "two", "three"}, first.body)] {
			k.gateway.Table().backends.Get("orders").SetDrained(s, true)
		}
	}
	if a := k.get("/orders", "Cookie: gh_orders="+value); a.body == first.body || a.Header.Get("Set-Cookie") == "" {
		t.Errorf("a cookie for a server that is gone leads to %q, Set-Cookie %q", a.body, a.Header.Get("Set-Cookie"))
	}
}

// A split divides callers by their key, and a changed weight moves only the difference.
func TestSplit(t *testing.T) {
	t.Parallel()
	one, two := new(atomic.Int64), new(atomic.Int64)
	servers := named(t, "one", one) + " " + named(t, "two", two)
	oneURL, twoURL, _ := strings.Cut(servers, " ")
	table := func(weights string) string {
		return `
backends: {one: {servers: [` + oneURL + `]}, two: {servers: [` + twoURL + `]}}
routes:
  - {name: orders, prefix: /orders, backend: {` + weights + `}, split_by: {header: X-Tenant}, auth: none}
`
	}
	k := startBefore(t, table("one: 90, two: 10"), "")
	sides := func() map[int]string {
		got := map[int]string{}
		for tenant := range 500 {
			got[tenant] = k.get("/orders", fmt.Sprint("X-Tenant: ", tenant)).body
		}
		return got
	}
	before := sides()
	k.gateway.Swap(k.compile(table("one: 80, two: 20")))
	after := sides()
	moved, second := 0, 0
	for tenant, side := range before {
		if side != after[tenant] {
			moved++
			if !strings.HasPrefix(side, "one") {
				t.Errorf("tenant %d moved from %q although its weight has grown", tenant, side)
			}
		}
		if strings.HasPrefix(side, "two") {
			second++
		}
	}
	if second < 25 || second > 80 || moved < 25 || moved > 85 {
		t.Errorf("%d of 500 tenants were on the side with 10 %%, %d moved when it got 20 %%", second, moved)
	}
}

// Copies of requests go to the mirror, with their bodies and the identity of their users.
func TestMirror(t *testing.T) {
	t.Parallel()
	type copied struct{ method, path, body, user, mirrored string }
	copies := make(chan copied, 16)
	mirror := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		copies <- copied{r.Method, r.URL.RequestURI(), string(body), r.Header.Get("X-User-Id"), r.Header.Get("X-Mirrored")}
		w.WriteHeader(http.StatusInternalServerError)
	})
	served := new(atomic.Int64)
	k := startBefore(t, `
backends: {copies: {servers: [`+mirror+`]}}
routes:
  - {name: orders, prefix: /orders, backend: "`+named(t, "one", served)+`", mirror: {backend: copies, percent: 100}}
`, "")
	member := "Authorization: " + k.member()
	for _, body := range []string{"", "a body", strings.Repeat("x", 1<<20)} {
		var reader io.Reader
		if body != "" {
			reader = strings.NewReader(body)
		}
		if a := k.do("POST", "/orders/7?q=1", reader, member); a.StatusCode != http.StatusOK || a.body != "one /orders/7" {
			t.Fatalf("the answer is %d %q", a.StatusCode, a.body)
		}
		got := <-copies
		if got.method != "POST" || got.path != "/orders/7?q=1" || got.body != body || got.user == "" || got.mirrored != "1" {
			t.Errorf("the copy of a request with %d bytes: %s %s, %d bytes, user %q, mirrored %q", len(body), got.method, got.path, len(got.body), got.user, got.mirrored)
		}
	}
	if a := k.do("POST", "/orders/large", strings.NewReader(strings.Repeat("x", 1<<20+1)), member); a.StatusCode != http.StatusOK {
		t.Errorf("a large body is answered %d", a.StatusCode)
	}
	if a := k.get("/orders/denied"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.StatusCode)
	}
	k.get("/orders/last", member)
	if got := <-copies; got.path != "/orders/last" {
		t.Errorf("%s was copied, too", got.path)
	}
}

// A mirror that does not answer, or is not there, changes nothing for clients.
func TestMirrorIsNotFelt(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	defer close(hold)
	stuck := testkit.Serve(t, func(http.ResponseWriter, *http.Request) { <-hold })
	for _, mirror := range []string{stuck, closedServer(t)} {
		served := new(atomic.Int64)
		k := startBefore(t, `
routes:
  - {name: orders, prefix: /orders, auth: none, backend: "`+named(t, "one", served)+`", mirror: {backend: "`+mirror+`", percent: 100}}
`, "")
		for range 200 {
			if a := k.do("POST", "/orders", strings.NewReader("a body")); a.StatusCode != http.StatusOK {
				t.Fatalf("the answer is %d", a.StatusCode)
			}
		}
	}
}
