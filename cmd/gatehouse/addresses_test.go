package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestAddressesAreReloaded narrows the addresses of a route while the gateway runs, and
// widens a set that the route names. The log says that more may come.
func TestAddressesAreReloaded(t *testing.T) {
	t.Parallel()
	const table = "users: off\naddresses: {office: [SET]}\ntrusted_proxies: [127.0.0.1]\nroutes:\n" +
		"  - {name: page, prefix: /page, auth: none, respond: {body: hello}, allow_from: [office]}\n"
	narrow, wide := strings.Replace(table, "SET", "192.0.2.0/25", 1), strings.Replace(table, "SET", "192.0.2.0/24", 1)
	file := testkit.TempFile(t, "routes.yaml", wide)
	gateway := start(t, file, nil)
	status := func(from string) int {
		return do(t, request{url: gateway.url + "/page", header: http.Header{"X-Forwarded-For": {from}}}).status
	}
	if near, far, proxy := status("192.0.2.1"), status("192.0.2.200"), do(t, request{url: gateway.url + "/page"}).status; near != 200 || far != 200 || proxy != 403 {
		t.Errorf("got %d, %d and %d", near, far, proxy)
	}
	testkit.WriteFile(t, file, narrow)
	testkit.Eventually(t, "the set is smaller", func() bool { return status("192.0.2.200") == http.StatusForbidden })
	if got := status("192.0.2.1"); got != http.StatusOK {
		t.Errorf("an address that stays: %d", got)
	}
	gateway.log.Await(t, "the client's address is not in allow_from")
	if gateway.log.Contains("from office (page) → from office (page)") {
		t.Error("fewer addresses are called weaker")
	}
	testkit.WriteFile(t, file, wide)
	testkit.Eventually(t, "the set is larger", func() bool { return status("192.0.2.200") == http.StatusOK })
	gateway.log.Await(t, "from office (page) → from office (page)")
}

// TestAddressesOverUnixSockets asks through a unix socket, over HTTP/1.1 and HTTP/2. Its
// clients have no address, unless the table trusts them as proxies.
func TestAddressesOverUnixSockets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trusted, transport string
		h2                 bool
	}{
		"trusted": {"trusted_proxies: [unix]\n", "lean", false}, "trusted, standard": {"trusted_proxies: [unix]\n", "standard", false},
		"trusted, HTTP/2": {"trusted_proxies: [unix]\n", "lean", true}, "not trusted": {"", "lean", false}, "not trusted, HTTP/2": {"", "standard", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, backend := socketPath(t), forwardedBackend(t)
			p := startProcess(t, testkit.TempFile(t, "routes.yaml", "users: off\n"+c.trusted+`routes:
  - {name: open, prefix: /open, backend: "`+backend+`", auth: none}
  - {name: office, prefix: /office, backend: "`+backend+`", auth: none, allow_from: [192.0.2.0/24]}
  - {name: banned, prefix: /banned, backend: "`+backend+`", auth: none, deny_from: [192.0.2.0/24]}
`), map[string]string{"GATEWAY_LISTEN": "unix:" + path, "GATEWAY_TRANSPORT": c.transport})
			transport := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			}}
			transport.Protocols.SetHTTP1(!c.h2)
			transport.Protocols.SetUnencryptedHTTP2(c.h2)
			t.Cleanup(transport.CloseIdleConnections)
			status := func(path, from string) int {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x"+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if from != "" {
					r.Header.Set("X-Forwarded-For", from)
				}
				res, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				return res.StatusCode
			}
			type statuses struct{ open, office, banned int }
			for from, want := range map[string]statuses{
				"192.0.2.7": {200, 200, 403}, "203.0.113.7": {200, 403, 200}, "203.0.113.7, 192.0.2.7": {200, 200, 403}, "": {200, 403, 403}, "nobody": {200, 403, 403},
			} {
				if c.trusted == "" { // then nobody knows who sends it
					want = statuses{200, 403, 403}
				}
				if got := (statuses{status("/open", from), status("/office", from), status("/banned", from)}); got != want {
					t.Errorf("from %q: %+v, want %+v", from, got, want)
				}
			}
			p.log.Await(t, "the client's address is unknown, and the route has allow_from or deny_from")
		})
	}
}
