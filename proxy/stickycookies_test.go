package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// Servers get all cookies but the sticky one, however a client sends them, also over HTTP/2,
// where each cookie may have its own field (RFC 9113 section 8.2.3). A copy that a client
// pretends to send is no copy.
func TestServersGetNoStickyCookie(t *testing.T) {
	t.Parallel()
	seen := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Join(r.Header["Cookie"], "|")+r.Header.Get("X-Mirrored"))
	})
	table := `
backends: {orders: {servers: [` + seen + `], sticky: {cookie: gh}}}
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
`
	test := func(t *testing.T, k *kit) {
		for sent, want := range map[string]string{
			"gh=x":                       "",
			"gh=":                        "",
			`gh="x"`:                     "",
			"gh=x; gh=y":                 "",
			" gh =x;a=1":                 "a=1",
			"a=gh":                       "a=gh",
			"gh2=x":                      "gh2=x",
			"a=1|gh=x|b=2":               "a=1|b=2",
			"$Version=1; gh=x; $Path=/":  "$Version=1; $Path=/",
			"a=1; gh=x; gh2=gh=1; GH=gh": "a=1; gh2=gh=1; GH=gh",
		} {
			var headers []string
			for line := range strings.SplitSeq(sent, "|") {
				headers = append(headers, "Cookie: "+line)
			}
			got := k.get("/orders", append(headers, "X-Mirrored: 1")...).body
			if strings.ReplaceAll(got, "|", "; ") != strings.ReplaceAll(want, "|", "; ") { // HTTP/2 joins them
				t.Errorf("of %q the server gets %q, want %q", sent, got, want)
			}
		}
	}
	eachLane(t, table, "", test)
	t.Run("HTTP/2", func(t *testing.T) { eachHTTP2(t, table, "", test) })
}

// A cookie that an old key has made keeps its client at the server, and is replaced by one
// of the new key: so the old key can be removed.
func TestStickyCookieOfAnOldKeyIsReplaced(t *testing.T) {
	t.Parallel()
	var servers []string
	for _, name := range []string{"one", "two", "three"} {
		servers = append(servers, testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	}
	k := startNamed(t, "sticky: {cookie: gh}", servers...)
	cookieOf := func(a answer) string {
		pair, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
		return pair
	}
	k.parts.Backends.SetKeys([][]byte{[]byte("old")})
	first := k.get("/orders")
	k.parts.Backends.SetKeys([][]byte{[]byte("new"), []byte("old")})
	second := k.get("/orders", "Cookie: "+cookieOf(first))
	if second.body != first.body || cookieOf(second) == "" || cookieOf(second) == cookieOf(first) {
		t.Fatalf("%q has set %q; with it, %q has set %q", first.body, cookieOf(first), second.body, cookieOf(second))
	}
	k.parts.Backends.SetKeys([][]byte{[]byte("new")})
	for range 10 {
		if a := k.get("/orders", "Cookie: "+cookieOf(second)); a.body != first.body || cookieOf(a) != "" {
			t.Fatalf("the new cookie leads to %q, want %q, and sets %q", a.body, first.body, cookieOf(a))
		}
	}
}
