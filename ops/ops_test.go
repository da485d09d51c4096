package ops_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gatehouse/auth"
	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/config/problem"
	"gatehouse/internal/httperr"
	"gatehouse/ops"
	"gatehouse/proxy"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/explain"
	"gatehouse/proxy/upstream"
)

// operators is the operators' listener of a gateway, with or without a table.
type operators struct {
	metrics *ops.Metrics
	health  *ops.Health
	gateway *proxy.Gateway
	handler http.Handler
}

func newOperators(t *testing.T, reload ops.Reload) *operators {
	t.Helper()
	o := &operators{metrics: ops.NewMetrics("test"), health: new(ops.Health)}
	o.gateway = proxy.NewGateway(proxy.Options{
		Log: slog.New(slog.DiscardHandler), Metrics: o.metrics, Transports: upstream.NewPool(upstream.PoolOptions{}),
	})
	o.handler = ops.Handler(ops.HandlerOptions{
		Metrics: o.metrics, Health: o.health, Gateway: o.gateway, Reload: reload, Backends: func() backend.Set { return backend.Set{} },
	})
	return o
}

func (o *operators) serve(t *testing.T, table string) {
	t.Helper()
	cfg, err := config.Parse("routes.yaml", []byte(table), nil)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := proxy.Compile(cfg, proxy.Parts{
		Gate: auth.NewGate(auth.NewVerifier(keys.Ring{}, nil, time.Now), nil), Metrics: o.metrics, Transports: upstream.NewPool(upstream.PoolOptions{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	o.gateway.Swap(compiled)
	o.metrics.TableServed(cfg, time.Unix(1000, 0))
	o.health.TableServed()
}

func (o *operators) ask(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// get sends a request to the gateway.
func (o *operators) get(path string) {
	o.gateway.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
}

// shows reports whether /metrics has a text.
func (o *operators) shows(text string) bool {
	return strings.Contains(o.ask("GET", "/metrics").Body.String(), text)
}

const openTable = "users: off\nroutes:\n  - {name: open, prefix: /open, backend: 'http://127.0.0.1:9', auth: none}\n"

// TestReadiness follows a gateway from its start to its end.
func TestReadiness(t *testing.T) {
	t.Parallel()
	o := newOperators(t, nil)
	ready := func(status int, reason string) {
		t.Helper()
		if w := o.ask("GET", "/readyz"); w.Code != status || !strings.Contains(w.Body.String(), reason) {
			t.Errorf("readyz: %d %s; want %d and %q", w.Code, w.Body, status, reason)
		}
		if w := o.ask("GET", "/livez"); w.Code != http.StatusOK {
			t.Errorf("livez: %d", w.Code)
		}
	}
	o.health.NeedStore()
	ready(503, "the user store was not reached yet")
	ready(503, "no route table is served yet")
	o.health.StoreAnswered(errors.New("refused"))
	ready(503, "the user store was not reached yet")
	o.health.StoreAnswered(nil)
	o.serve(t, openTable)
	ready(200, "changes to users are not received")
	o.health.UserFeed(nil)
	ready(200, `{"ready":true}`)
	o.health.StoreAnswered(errors.New("refused"))
	ready(200, "the user store does not answer") // one database must not take every replica out
	o.health.UserFeed(errors.New("refused"))
	ready(200, "changes to users are not received")
	o.health.Drain()
	ready(503, "draining")
}

// TestWatchStore asks a store that is away and comes back.
func TestWatchStore(t *testing.T) {
	t.Parallel()
	o := newOperators(t, nil)
	o.metrics.WatchStore()
	o.health.NeedStore()
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	o.health.WatchStore(ctx, func(context.Context) error {
		if asked++; asked == 1 {
			return errors.New("refused")
		}
		cancel()
		return nil
	}, o.metrics, slog.New(slog.DiscardHandler))
	if err := o.health.Store(); err == nil { // the second answer came after the end
		t.Error("the store is well, though it last refused")
	}
	if body := o.ask("GET", "/metrics").Body.String(); !strings.Contains(body, "gatehouse_store_up 0") {
		t.Errorf("metrics:\n%s", body)
	}
}

// TestRouteMetrics counts a request, and requires that labels contain nothing
// that clients invent.
func TestRouteMetrics(t *testing.T) {
	t.Parallel()
	o := newOperators(t, nil)
	route := o.metrics.Route("query", "backend:80")
	for _, method := range []string{"GET", "BREW", "get", strings.Repeat("X", 1000)} {
		route.Started()
		route.Finished(method, 200, 30*time.Millisecond, 7)
	}
	route.Decided(auth.ResultExpired)
	route.Backend(false)
	route.Failed(httperr.ReasonConnect)
	route.ResponseHeader(20 * time.Millisecond)
	route.Received(11)
	o.metrics.Login("success")
	if strings.Contains(o.ask("GET", "/metrics").Body.String(), "gatehouse_user_feed_connected") {
		t.Error("a gateway without users has a feed of changes to them")
	}
	o.metrics.WatchStore()
	o.metrics.UserFeed(true)
	body := o.ask("GET", "/metrics").Body.String()
	for _, want := range []string{
		`gatehouse_http_requests_total{code="200",method="GET",route="query"} 1`,
		`gatehouse_http_requests_total{code="200",method="_OTHER",route="query"} 3`,
		`gatehouse_http_requests_in_flight{route="query"} 0`,
		`gatehouse_http_response_bytes_total{route="query"} 28`,
		`gatehouse_http_request_duration_seconds_bucket{route="query",le="0.05"} 4`,
		`gatehouse_http_request_duration_seconds_bucket{route="query",le="0.025"} 0`,
		`gatehouse_http_request_bytes_total{route="query"} 11`,
		`gatehouse_gateway_errors_total{reason="connect",route="query"} 1`,
		`gatehouse_gateway_errors_total{reason="timeout",route="query"} 0`,
		`gatehouse_backend_response_header_seconds_bucket{route="query",le="0.025"} 1`,
		`gatehouse_backend_response_header_seconds_bucket{route="query",le="0.01"} 0`,
		`gatehouse_auth_decisions_total{result="expired",route="query"} 1`,
		`gatehouse_backend_up{backend="backend:80",route="query"} 0`,
		`gatehouse_login_attempts_total{result="success"} 1`,
		`gatehouse_user_feed_connected 1`,
		`gatehouse_build_info{goversion="go`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(body, `gatehouse_backend_response_header_seconds_count{route="_none"}`) {
		t.Error("requests without a route have backends")
	}
	if problems, err := testutil.GatherAndLint(o.metrics.Registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

// TestRouteMetricsBegin requires that the series of a route begin with its
// first request, and continue in a table that is compiled later.
func TestRouteMetricsBegin(t *testing.T) {
	t.Parallel()
	o := newOperators(t, nil)
	const table = openTable + "  - {name: closed, prefix: /closed, backend: 'http://127.0.0.1:9'}\n"
	o.serve(t, table)
	for _, name := range []string{"requests_in_flight", "request_duration_seconds_count", "response_bytes_total", "request_bytes_total"} {
		if !o.shows("gatehouse_http_" + name + `{route="_none"} 0`) {
			t.Errorf("no %s before the first request", name)
		}
	}
	o.serve(t, table)
	if o.shows(`route="open"`) || o.shows(`route="closed"`) {
		t.Error("a route has series that nobody has asked for")
	}
	o.get("/open") // nobody listens at port 9
	o.serve(t, table)
	o.get("/closed")
	o.get("/open")
	for _, want := range []string{
		`gatehouse_http_requests_total{code="503",method="GET",route="open"} 2`,
		`gatehouse_http_requests_total{code="401",method="GET",route="closed"} 1`,
		`gatehouse_auth_decisions_total{result="allowed",route="open"} 2`,
		`gatehouse_auth_decisions_total{result="no_token",route="closed"} 1`,
		`gatehouse_backend_up{backend="127.0.0.1:9",route="open"} 0`,
		`gatehouse_backend_up{backend="127.0.0.1:9",route="closed"} 1`,
	} {
		if !o.shows(want) {
			t.Errorf("no %s", want)
		}
	}
	o.serve(t, table)
	if !o.shows(`gatehouse_backend_up{backend="127.0.0.1:9",route="open"} 0`) {
		t.Error("a reload made a backend well that nobody could connect to")
	}
}

// TestRouteMetricsEnd requires that the series of a removed route are reported
// once more, and not before its last request has ended.
func TestRouteMetricsEnd(t *testing.T) {
	t.Parallel()
	const (
		other = "users: off\nroutes:\n  - {name: other, prefix: /other, backend: 'http://127.0.0.1:9', auth: none}\n"
		moved = "users: off\nroutes:\n  - {name: open, prefix: /open, backend: 'http://127.0.0.1:7', auth: none}\n"
		one   = `gatehouse_http_requests_total{code="503",method="GET",route="open"} 1`
		two   = `gatehouse_http_requests_total{code="503",method="GET",route="open"} 2`
		down  = `gatehouse_backend_up{backend="127.0.0.1:9",route="open"}`
		some  = `route="open"`
	)
	type story struct {
		*testing.T
		*operators
		held proxy.RouteMetrics
	}
	hold := func(s *story) {
		if s.held == nil {
			s.held = s.metrics.Route("open", "127.0.0.1:9")
		}
		s.held.Started()
	}
	finish := func(s *story) { s.held.Backend(true); s.held.Finished("GET", 503, time.Second, 1) }
	reload := func(table string) func(*story) { return func(s *story) { s.serve(s.T, table) } }
	get := func(s *story) { s.get("/open") }
	shows := func(text string) func(*story) {
		return func(s *story) {
			if !s.shows(text) {
				s.Errorf("no %s", text)
			}
		}
	}
	hides := func(text string) func(*story) {
		return func(s *story) {
			if s.shows(text) {
				s.Errorf("there is %s", text)
			}
		}
	}
	tests := map[string][]func(*story){
		"told of once":             {get, reload(other), shows(one), hides(some)},
		"its backend goes at once": {get, shows(down), reload(other), hides(down)},
		"another backend":          {get, reload(moved), hides(down), shows(one), get, shows(two), hides(down)},
		"a request goes on":        {hold, reload(other), shows(some), shows(some), finish, shows(one), hides(some)},
		"a request goes on, nobody asks": {
			hold, reload(other), reload(other), shows(some), finish, reload(other), hides(some),
		},
		"nobody asks":              {get, reload(other), reload(other), hides(some)},
		"back before it was told":  {get, reload(other), reload(openTable), shows(one), shows(one), get, shows(two)},
		"back after it was told":   {get, reload(other), shows(one), reload(openTable), hides(some), get, shows(one)},
		"back with a request":      {hold, reload(other), shows(some), reload(openTable), get, finish, shows(two), shows(two)},
		"counted when it was gone": {hold, finish, reload(other), shows(one), hold, finish, hides(some)},
		"back a moment before":     {get, reload(other), hold, finish, shows(two), shows(two), reload(openTable), shows(two)},
		"requests without a route": {get, reload(other), reload(other), shows(`in_flight{route="_none"}`), shows(`in_flight{route="_none"}`)},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			s := &story{T: t, operators: newOperators(t, nil)}
			s.serve(t, openTable)
			for _, step := range steps {
				step(s)
			}
		})
	}
}

// TestRouteMetricsRenamed reloads a table with new route names each time,
// during requests and scrapes.
func TestRouteMetricsRenamed(t *testing.T) {
	t.Parallel()
	o := newOperators(t, nil)
	const renamed = "users: off\nroutes:\n  - {name: r%d, prefix: /open, backend: 'http://127.0.0.1:9', auth: none}\n"
	o.serve(t, fmt.Sprintf(renamed, 0))
	var clients sync.WaitGroup
	ended := make(chan struct{})
	for _, one := range []func(){func() { o.get("/open") }, func() { o.ask("GET", "/metrics") }} {
		clients.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					one()
				}
			}
		})
	}
	for i := range 100 {
		o.serve(t, fmt.Sprintf(renamed, i))
	}
	close(ended)
	clients.Wait()
	for range 3 {
		o.serve(t, openTable)
	}
	body := o.ask("GET", "/metrics").Body.String()
	if strings.Contains(body, `route="r`) || !strings.Contains(body, `gatehouse_http_requests_in_flight{route="_none"} 0`) {
		t.Errorf("metrics:\n%s", body)
	}
}

// TestRouteMetricsManyAnswers counts answers from several requests at once, not
// in the order of their codes.
func TestRouteMetricsManyAnswers(t *testing.T) {
	t.Parallel()
	o := newOperators(t, nil)
	tables := []proxy.RouteMetrics{o.metrics.Route("query", "backend:80"), o.metrics.Route("query", "backend:80")}
	var requests sync.WaitGroup
	for _, route := range tables {
		requests.Go(func() {
			for i := range 900 {
				for _, method := range []string{"TRACE", "GET", "BREW", "POST"} {
					route.Started()
					route.Decided(auth.ResultAllowed)
					route.Decided(auth.ResultRole)
					route.Finished(method, 100+(i*7)%900, time.Second, 1)
				}
			}
		})
	}
	requests.Wait()
	if n := testutil.CollectAndCount(o.metrics.Registry, "gatehouse_http_requests_total"); n != 4*900 {
		t.Errorf("%d series of answers", n)
	}
	for _, want := range []string{
		`gatehouse_http_requests_total{code="100",method="GET",route="query"} 2`,
		`gatehouse_http_requests_total{code="999",method="_OTHER",route="query"} 2`,
		`gatehouse_http_requests_total{code="503",method="TRACE",route="query"} 2`,
		`gatehouse_auth_decisions_total{result="allowed",route="query"} 7200`,
		`gatehouse_auth_decisions_total{result="role",route="query"} 7200`,
		`gatehouse_http_response_bytes_total{route="query"} 7200`,
		`gatehouse_http_requests_in_flight{route="query"} 0`,
	} {
		if !o.shows(want) {
			t.Errorf("no %s", want)
		}
	}
}

// TestRouteMetricsAllocateNothing requires that counting a request allocates
// nothing.
func TestRouteMetricsAllocateNothing(t *testing.T) {
	route := ops.NewMetrics("test").Route("query", "backend:80")
	count := func() {
		route.Started()
		route.Decided(auth.ResultAllowed)
		route.Backend(true)
		route.Finished("GET", 200, 30*time.Millisecond, 700)
		route.Started()
		route.Decided(auth.ResultExpired)
		route.Finished("BREW", 401, 30*time.Microsecond, 70)
	}
	if allocations := testing.AllocsPerRun(1000, count); allocations != 0 {
		t.Errorf("two requests allocate %v times", allocations)
	}
}

// TestReloadMetrics requires metrics about the served table, and about a
// refused one.
func TestReloadMetrics(t *testing.T) {
	t.Parallel()
	o := newOperators(t, nil)
	o.serve(t, openTable)
	first := o.gateway.Table().Config().Hash
	o.serve(t, openTable+"name: second\n")
	second := o.gateway.Table().Config().Hash
	o.metrics.TableRefused()
	body := o.ask("GET", "/metrics").Body.String()
	for _, want := range []string{
		`gatehouse_config_reloads_total{result="success"} 2`,
		`gatehouse_config_reloads_total{result="failure"} 1`,
		`gatehouse_config_last_reload_successful 0`,
		`gatehouse_config_last_reload_success_timestamp_seconds 1000`,
		`gatehouse_config_info{hash="` + second + `"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(body, first) {
		t.Error("the old table's hash is still there")
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	problems := problem.List{{
		Position: problem.Position{File: "routes.yaml", Line: 3, Column: 5}, Message: "unknown key", Hint: "did you mean?",
	}}
	var fail bool
	o := newOperators(t, func(context.Context) (explain.Diff, problem.List, error) {
		if fail {
			return explain.Diff{}, nil, problems
		}
		return explain.Diff{Weaker: []string{}, Added: []string{"route x"}, Removed: []string{}, Changed: []string{}}, nil, nil
	})
	if w := o.ask("GET", "/routes"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("routes without a table: %d", w.Code)
	}
	o.serve(t, openTable)
	tests := []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/routes", 200, `"name":"open","prefix":"/open","target":"http://127.0.0.1:9","auth":"none","source":"routes.yaml:3"`},
		{"GET", "/", 200, "/readyz"},
		{"GET", "/nowhere", 404, ""},
		{"POST", "/metrics", 405, ""},
		{"GET", "/-/reload", 405, ""},
		{"POST", "/-/reload", 200, `{"reloaded":true,"changes":{"weaker":[],"added":["route x"],"removed":[],"changed":[]},"problems":[]}`},
	}
	for _, test := range tests {
		if w := o.ask(test.method, test.path); w.Code != test.status || !strings.Contains(w.Body.String(), test.body) {
			t.Errorf("%s %s: %d %s", test.method, test.path, w.Code, w.Body)
		}
	}
	request := httptest.NewRequest("POST", "/-/reload", nil)
	request.Header.Set("Origin", "https://evil.example")
	cross := httptest.NewRecorder()
	if o.handler.ServeHTTP(cross, request); cross.Code != http.StatusForbidden {
		t.Errorf("a page's reload: %d %s", cross.Code, cross.Body)
	}
	fail = true
	w := o.ask("POST", "/-/reload")
	if want := `{"reloaded":false,"problems":[{"file":"routes.yaml","line":3,"column":5,"severity":"error","message":"unknown key","hint":"did you mean?"}]}`; w.Code != http.StatusBadRequest || w.Body.String() != want {
		t.Errorf("a refused reload: %d %s", w.Code, w.Body)
	}
}

// TestProfiles takes one, as go tool pprof does.
func TestProfiles(t *testing.T) {
	t.Parallel()
	o := newOperators(t, nil)
	for path, want := range map[string]string{
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile:",
		"/debug/pprof/heap?debug=1":      "heap profile:",
	} {
		if w := o.ask("GET", path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d, without %q", path, w.Code, want)
		}
	}
	if w := o.ask("GET", "/debug/pprof/cmdline"); w.Code != http.StatusNotFound {
		t.Errorf("the command line is told: %d", w.Code)
	}
}
