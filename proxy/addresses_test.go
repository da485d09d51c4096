package proxy

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/auth"
	"gatehouse/internal/testkit"
)

const addressTable = `
addresses:
  office: [192.0.2.0/24, "2001:db8::/32"]
  proxies: [127.0.0.0/8]
trusted_proxies: [proxies]
cors: {origins: ["https://app.example.com"]}
routes:
  - {name: site, prefix: /, backend: "${BACKEND}", auth: none}
  - {name: office, prefix: /office, backend: "${BACKEND}", allow_from: [office], deny_from: [192.0.2.66]}
  - {name: denied, prefix: /denied, backend: "${BACKEND}", auth: none, deny_from: [office]}
  - {name: moved, prefix: /moved, auth: none, redirect: {to: /new}, allow_from: [office]}
  - {name: fixed, prefix: /fixed, auth: none, respond: {body: hello}, allow_from: [office]}
  - {name: users, prefix: /users, handler: users, allow_from: [office]}
`

const notFromHere = "Access from this address is not allowed."

// TestAddresses asks every kind of target from several addresses. The table's decision
// about the same request must be the same.
func TestAddresses(t *testing.T) {
	eachLane(t, addressTable, testkit.Serve(t, nothing), testAddresses)
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		testAddresses(t, startTLS(t, addressTable, testkit.Serve(t, nothing)))
	})
}

func nothing(http.ResponseWriter, *http.Request) {}

func testAddresses(t *testing.T, k *kit) {
	const unknown, denied, unlisted = "is unknown", "is in deny_from", "is not in allow_from"
	for _, test := range []struct {
		path, from string // from is X-Forwarded-For, which a trusted proxy sends; "" for none
		status     int
		reason     string // of the refusal, in the log
	}{
		{"/office", "192.0.2.1", http.StatusOK, ""},
		{"/office", "192.0.2.0", http.StatusOK, ""},
		{"/office", "192.0.2.255", http.StatusOK, ""},
		{"/office", "192.0.3.0", http.StatusForbidden, unlisted},
		{"/office", "192.0.1.255", http.StatusForbidden, unlisted},
		{"/office", "192.0.2.66", http.StatusForbidden, denied},
		{"/office", "::ffff:192.0.2.66", http.StatusForbidden, denied},
		{"/office", "::ffff:192.0.2.65", http.StatusOK, ""},
		{"/office", "[2001:db8::1]:443", http.StatusOK, ""},
		{"/office", "2001:db8::1%eth0", http.StatusOK, ""},
		{"/office", "2001:db9::", http.StatusForbidden, unlisted},
		{"/office", "192.0.2.1, 203.0.113.7", http.StatusForbidden, unlisted}, // the client wrote the first one
		{"/office", "203.0.113.7, 192.0.2.1", http.StatusOK, ""},
		{"/office", "192.0.2.1, nobody", http.StatusForbidden, unknown},
		{"/office", "", http.StatusForbidden, unlisted}, // the proxy itself
		{"/denied", "192.0.2.1", http.StatusForbidden, denied},
		{"/denied", "203.0.113.7", http.StatusOK, ""},
		{"/denied", "nobody", http.StatusForbidden, unknown},
		{"/moved", "192.0.2.1", http.StatusPermanentRedirect, ""},
		{"/moved", "203.0.113.7", http.StatusForbidden, unlisted},
		{"/fixed", "192.0.2.1", http.StatusOK, ""},
		{"/fixed", "203.0.113.7", http.StatusForbidden, unlisted},
		{"/users", "192.0.2.1", http.StatusOK, ""},
		{"/users", "203.0.113.7", http.StatusForbidden, unlisted},
		{"/", "nobody", http.StatusOK, ""},
	} {
		headers := []string{"Authorization: " + k.member(), "Origin: https://app.example.com"}
		if test.from != "" {
			headers = append(headers, "X-Forwarded-For: "+test.from)
		}
		a := k.get(test.path, headers...)
		if a.StatusCode != test.status || a.Header.Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("%s from %q: %d %v, want %d", test.path, test.from, a.StatusCode, a.Header, test.status)
		}
		if test.status == http.StatusForbidden {
			a.wantDetail(t, http.StatusForbidden, notFromHere)
		}
		line := k.line()
		for line["msg"] != AccessMessage {
			line = k.line() // about a header that could not be read
		}
		if logged, _ := line["error"].(string); !strings.HasSuffix(logged, test.reason) && !strings.Contains(logged, test.reason+",") {
			t.Errorf("%s from %q: logged %q, want %q", test.path, test.from, logged, test.reason)
		}
		asked := k.request(http.MethodGet, test.path, nil, headers...)
		asked.RequestURI, asked.RemoteAddr = test.path, "127.0.0.1:1"
		if d := k.gateway.Table().Decide(asked, k.parts.Gate); (d.Refusal == nil) != (test.reason == "") && test.path != "/users" || d.Refusal != nil && test.reason != "" && d.Refusal.Detail != notFromHere {
			t.Errorf("%s from %q: decided %v", test.path, test.from, d.Refusal)
		}
	}
	testkit.Eventually(t, "refusals are counted", func() bool {
		counted := k.metrics.of("denied")
		counted.mu.Lock()
		defer counted.mu.Unlock()
		return slices.Equal(counted.decided, []auth.Result{auth.ResultAddress, auth.ResultAllowed, auth.ResultAddress})
	})
}

// TestAddressBeforePolicy checks that an address that is not allowed learns nothing about
// the policy, and that preflights are answered for it.
func TestAddressBeforePolicy(t *testing.T) {
	t.Parallel()
	k := start(t, addressTable, func(http.ResponseWriter, *http.Request) { t.Error("the backend was asked") })
	k.get("/office").wantDetail(t, http.StatusForbidden, notFromHere)
	k.do(http.MethodPost, "/office", strings.NewReader(strings.Repeat("x", 1<<20))).wantDetail(t, http.StatusForbidden, notFromHere)
	if a := k.do(http.MethodOptions, "/office", nil, "Origin: https://app.example.com", "Access-Control-Request-Method: GET"); a.StatusCode != http.StatusNoContent {
		t.Errorf("preflight: %d", a.StatusCode)
	}
	if a := k.do(http.MethodGet, "/office", nil, "Upgrade: websocket", "Connection: Upgrade"); a.StatusCode != http.StatusForbidden {
		t.Errorf("upgrade: %d", a.StatusCode)
	}
}

// TestAddressesCostNothing checks that a route's addresses are checked without an
// allocation, also when the request is refused.
func TestAddressesCostNothing(t *testing.T) {
	k := newKit(t, addressTable, "http://127.0.0.1:9")
	table := k.gateway.Table()
	r := &http.Request{Method: http.MethodGet, RequestURI: "/office", Host: "x", RemoteAddr: "192.0.2.66:1", Header: http.Header{}}
	_, office, refusal := table.find(r)
	if refusal != nil {
		t.Fatal(refusal)
	}
	d := table.Decide(r, k.parts.Gate)
	if allocations := testing.AllocsPerRun(100, func() {
		if office.checkAddress(&d.Caller) != refuseDeniedAddress {
			t.Error("the address was allowed")
		}
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
