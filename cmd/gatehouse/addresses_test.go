package main

import (
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
