package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"

	"github.com/coder/websocket"
)

// failuresTable has a route for each way to fail.
const failuresTable = `
users: off
routes:
  - {name: well, prefix: /well, backend: "${BACKEND}", auth: none, max_body: 1KiB}
  - {name: connect, prefix: /connect, backend: "http://REFUSED", auth: none}
  - {name: slow, prefix: /slow, backend: "${BACKEND}", auth: none, timeout: 50ms}
  - {name: broken, prefix: /broken, backend: "${BACKEND}", auth: none}
  - {name: fixed, prefix: /fixed, respond: {status: 503, body: closed}, auth: none}
  - {name: store, prefix: /store, backend: "${BACKEND}"}
`

// TestGatewayErrors checks that each 5xx that the gateway itself answers is counted with
// its reason, and no other answer.
func TestGatewayErrors(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/slow"):
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the gateway leaves
			<-r.Context().Done()
		case strings.HasPrefix(r.URL.Path, "/broken/half"):
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
			flush(w)
			panic(http.ErrAbortHandler)
		case strings.HasPrefix(r.URL.Path, "/broken"):
			panic(http.ErrAbortHandler)
		case r.URL.Query().Has("fail"):
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	table := strings.Replace(failuresTable, "REFUSED", testkit.RefusingAddress(t), 1)
	eachLane(t, table, backend, func(t *testing.T, k *kit) {
		k.parts.Gate = auth.NewGate(k.verifier, noStore{})
		k.gateway.Swap(k.compile(strings.Replace(table, "users: off", "users: {}", 1)))
		for _, c := range []struct {
			method, path string
			body         io.Reader
			status       int
			route        string
			reason       httperr.Reason // "" for none
		}{
			{"GET", "/well", nil, 200, "well", ""},
			{"GET", "/well?fail", nil, 503, "well", ""}, // the backend's
			{"POST", "/well", zeros(2 << 10), 413, "well", ""},
			{"GET", "/nowhere", nil, 404, NoRoute, ""},
			{"GET", "/fixed", nil, 503, "fixed", ""}, // what the table says
			{"GET", "/connect", nil, 503, "connect", httperr.ReasonConnect},
			{"GET", "/slow", nil, 504, "slow", httperr.ReasonTimeout},
			{"POST", "/slow", strings.NewReader("a body"), 504, "slow", httperr.ReasonTimeout},
			{"POST", "/broken", strings.NewReader("a body"), 502, "broken", httperr.ReasonBroken},
			{"GET", "/store", nil, 503, "store", httperr.ReasonStore},
		} {
			before := len(k.metrics.of(c.route).failures())
			k.do(c.method, c.path, c.body, "Authorization: "+k.member()).wantStatus(t, c.status)
			k.line() // comes after the metrics
			got := k.metrics.of(c.route).failures()[before:]
			var want []httperr.Reason
			if c.reason != "" {
				want = append(want, c.reason)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: counted %q, want %q", c.method, c.path, got, want)
			}
		}
		if res := k.raw("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"); res.StatusCode != 501 {
			t.Errorf("CONNECT: %d", res.StatusCode)
		}
		k.line()
		if got := k.metrics.of(NoRoute).failures(); !slices.Equal(got, []httperr.Reason{httperr.ReasonUnsupported}) {
			t.Errorf("CONNECT: counted %q", got)
		}
		res := k.open("GET", "/broken/half", nil)
		_, err := io.ReadAll(res.Body)
		if err == nil {
			t.Error("half an answer looks whole")
		}
		k.line()
		if got := k.metrics.of("broken").failures(); len(got) != 1 { // that of the POST above
			t.Errorf("an answer that was cut off counts as one of the gateway: %q", got)
		}
		k.wantLimitRefusals(t, LimitMaxBody, 1)
	})
}

// wantLimitRefusals checks how often one limit, and no other, has refused something.
func (k *kit) wantLimitRefusals(t *testing.T, limit Limit, times int64) {
	t.Helper()
	for i, got := range k.gateway.LimitRefusals() {
		want := int64(0)
		if Limits[i] == limit {
			want = times
		}
		if got != want {
			t.Errorf("%s has refused %d, want %d", Limits[i], got, want)
		}
	}
}

// noStore is a store that does not answer.
type noStore struct{}

var errNoStore = errors.New("connection refused")

func (noStore) UserState(context.Context, uuid.UUID) (auth.UserState, error) {
	return auth.UserState{}, errNoStore
}

// TestGatewayErrorsOfHandlers checks the errors that a built-in handler writes, and those
// of a gateway without a table.
func TestGatewayErrorsOfHandlers(t *testing.T) {
	t.Parallel()
	k := newKit(t, openTable, "http://127.0.0.1:9")
	k.parts.Users = builtIn(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if len(body) == 0 {
			panic("a mistake")
		}
		auth.StoreUnavailable.Because(errNoStore).WriteTo(w)
	})
	k.gateway.Swap(k.compile("routes:\n  - {name: users, prefix: /users, handler: users}\n"))
	k.serve()
	k.do("POST", "/users/login", strings.NewReader("{}")).wantStatus(t, 503)
	if line := k.line(); !strings.Contains(line["error"].(string), errNoStore.Error()) {
		t.Errorf("logged %v", line)
	}
	k.get("/users/login").wantStatus(t, 500)
	users := k.metrics.of("users")
	testkit.Eventually(t, "two errors", func() bool { return len(users.failures()) == 2 })
	if got := users.failures(); !slices.Equal(got, []httperr.Reason{httperr.ReasonStore, httperr.ReasonInternal}) {
		t.Errorf("counted %q", got)
	}
	if got := users.receivedBytes(); got != 2 {
		t.Errorf("%d bytes received, want 2", got)
	}

	k.gateway.table.Store(nil)
	k.get("/").wantStatus(t, 503)
	none := k.metrics.of(NoRoute)
	testkit.Eventually(t, "an error without a table", func() bool {
		return slices.Equal(none.failures(), []httperr.Reason{httperr.ReasonNoTable})
	})
}

// TestReceivedBytes checks the number of bytes received in bodies, also in one that a
// backend does not read.
func TestReceivedBytes(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/unread" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
	})
	eachLane(t, openTable, backend, func(t *testing.T, k *kit) {
		for _, c := range []struct {
			path string
			body io.Reader
			want int64
		}{
			{"/", nil, 0},
			{"/", strings.NewReader("a body"), 6},
			{"/", zeros(200 << 10), 200 << 10},
			{"/", io.MultiReader(strings.NewReader("chunks"), strings.NewReader(" of a body")), 16},
			{"/unread", strings.NewReader("a body"), 6},
		} {
			before := k.metrics.of("open").receivedBytes()
			k.do("POST", c.path, c.body).wantStatus(t, 200)
			k.line()
			if got := k.metrics.of("open").receivedBytes() - before; got != c.want {
				t.Errorf("%s: %d bytes received, want %d", c.path, got, c.want)
			}
		}
	})
}

// TestReceivedBytesOfAStream checks that the bytes on an upgraded connection are counted
// while it is open.
func TestReceivedBytesOfAStream(t *testing.T) {
	t.Parallel()
	k := start(t, upgradeTable, echoSocket)
	ctx := testkit.Context(t)
	socket, _, err := websocket.Dial(ctx, k.url+"/open", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if err := socket.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	const frame = 2 + 4 + 5 // head, mask, payload
	testkit.Eventually(t, "a frame", func() bool { return k.metrics.of("open").receivedBytes() == frame })
}

// TestResponseHeaderTime checks that the time to the backend's header is measured once for
// each answer of a backend, and without the time of its body.
func TestResponseHeaderTime(t *testing.T) {
	t.Parallel()
	const late = 60 * time.Millisecond
	release := make(chan struct{})
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(late)
		defer timer.Stop()
		<-timer.C
		flush(w)
		<-release
	})
	eachLane(t, openTable+"  - {name: fixed, prefix: /fixed, respond: {status: 200, body: x}, auth: none}\n", backend, func(t *testing.T, k *kit) {
		k.get("/fixed").wantStatus(t, 200)
		res := k.open("GET", "/", nil)
		got := k.metrics.of("open").headerTimes() // measured before the header is written
		if len(got) != 1 || got[0] < late {
			t.Errorf("measured %v, want one time of at least %v", got, late)
		}
		if got := k.metrics.of("fixed").headerTimes(); len(got) != 0 {
			t.Errorf("measured %v for an answer without a backend", got)
		}
		_ = res.Body.Close()
	})
	t.Cleanup(func() { close(release) })
}
