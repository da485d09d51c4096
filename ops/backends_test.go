package ops_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/ops"
	"gatehouse/proxy"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/forward"
)

const opsToken = "an operators' token"

// balanced is an operators' listener with a backend of three servers.
type balanced struct {
	*operators
	backend *backend.Backend
	token   string
}

func newBalanced(t *testing.T, token string) *balanced {
	t.Helper()
	o := &balanced{operators: &operators{metrics: ops.NewMetrics("test"), health: new(ops.Health)}, token: token}
	registry := backend.NewRegistry(backend.Options{Log: slog.New(slog.DiscardHandler), Metrics: o.metrics})
	cfg := &config.Backend{Name: "orders", Balance: config.BalanceP2C, Passive: &config.Passive{Fails: 1, Eject: time.Hour, MaxEjected: 50}}
	for _, host := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
		cfg.Servers = append(cfg.Servers, config.Server{URL: &url.URL{Scheme: "http", Host: host}, Weight: 2})
	}
	set, err := registry.Prepare(map[string]*config.Backend{"orders": cfg}, nil)
	if err != nil {
		t.Fatal(err)
	}
	registry.Activate(set)
	t.Cleanup(func() { registry.Activate(backend.Set{}) })
	o.backend = set.Get("orders")
	o.metrics.WatchBackends(registry.Live)
	o.health.WatchBackends(registry.Live)
	o.gateway = proxy.NewGateway(proxy.Options{Log: slog.New(slog.DiscardHandler), Metrics: o.metrics})
	o.handler = ops.Handler(ops.HandlerOptions{Metrics: o.metrics, Health: o.health, Gateway: o.gateway, Backends: registry.Live, Token: token})
	return o
}

// change sends a POST with headers, such as "Origin: https://evil.example".
func (o *balanced) change(path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, nil)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	return w
}

func TestBackends(t *testing.T) {
	t.Parallel()
	o := newBalanced(t, opsToken)
	servers := o.backend.Servers()
	o.backend.Report(servers[0], backend.ResultReset, 5*time.Millisecond)
	o.backend.Report(servers[1], backend.ResultAnswered, 5*time.Millisecond)
	servers[1].Begin()
	var got []ops.BackendInfo
	if err := json.Unmarshal(o.ask("GET", "/backends").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Name != "orders" || got[0].Ejections != 1 || len(got[0].Servers) != 3 {
		t.Fatalf("%+v", got)
	}
	for i, want := range []string{"ejected", "up", "up"} {
		if s := got[0].Servers[i]; s.State != want || s.Weight != 2 || s.Server != servers[i].ID() {
			t.Errorf("server %d: %+v, want it %s", i, s, want)
		}
	}
	if s := got[0].Servers; s[0].Requests["reset"] != 1 || s[1].Requests["answered"] != 1 || s[1].InFlight != 1 {
		t.Errorf("%+v", s)
	}
	for _, line := range []string{
		`gatehouse_backend_server_up{backend="orders",server="http://10.0.0.1:80"} 0`,
		`gatehouse_backend_server_up{backend="orders",server="http://10.0.0.2:80"} 1`,
		`gatehouse_backend_requests_total{backend="orders",result="reset",server="http://10.0.0.1:80"} 1`,
		`gatehouse_backend_request_duration_seconds_count{backend="orders"} 2`,
		`gatehouse_backend_requests_in_flight{backend="orders"} 0`,
		`gatehouse_backend_retries_total{backend="orders",result="failed"} 0`,
		`gatehouse_backend_ejections_total{backend="orders"} 1`,
		`gatehouse_backend_rejected_total{backend="orders"} 0`,
		`gatehouse_backend_panic{backend="orders"} 0`,
	} {
		if !o.shows(line) {
			t.Errorf("/metrics has no %s", line)
		}
	}
}

func TestDrainServer(t *testing.T) {
	t.Parallel()
	o := newBalanced(t, opsToken)
	servers, bearer := o.backend.Servers(), "Authorization: Bearer "+opsToken
	const one = "/-/backends/orders/10.0.0.1:80/"
	if w := o.change(one+"drain", bearer); w.Code != http.StatusOK || servers[0].State().String() != "drained" {
		t.Errorf("drain: %d %s", w.Code, w.Body)
	}
	if w := o.change("/-/backends/orders/"+url.PathEscape(servers[1].ID())+"/drain", bearer); w.Code != http.StatusOK || !servers[1].State().Drained {
		t.Errorf("drain by its name in /backends: %d %s", w.Code, w.Body)
	}
	if w := o.change("/-/backends/orders/10.0.0.3:80/drain", bearer); w.Code != http.StatusConflict || servers[2].State().Drained {
		t.Errorf("drain of the last: %d %s", w.Code, w.Body)
	}
	if w := o.change(one+"undrain", bearer); w.Code != http.StatusOK || servers[0].State().String() != "up" {
		t.Errorf("undrain: %d %s", w.Code, w.Body)
	}
	for _, unknown := range []string{"/-/backends/nobody/10.0.0.1:80/drain", "/-/backends/orders/10.0.0.9:80/drain"} {
		if w := o.change(unknown, bearer); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", unknown, w.Code)
		}
	}
}

// Who may ask for what, with a token and without one.
func TestOperatorsToken(t *testing.T) {
	t.Parallel()
	const drain = "/-/backends/orders/10.0.0.1:80/drain"
	with, without := newBalanced(t, opsToken), newBalanced(t, "")
	for name, test := range map[string]struct {
		of      *balanced
		headers []string
		want    int
	}{
		"no token is set":       {without, nil, http.StatusForbidden},
		"a token that is unset": {without, []string{"Authorization: Bearer "}, http.StatusForbidden},
		"none":                  {with, nil, http.StatusUnauthorized},
		"wrong":                 {with, []string{"Authorization: Bearer another token"}, http.StatusUnauthorized},
		"other scheme":          {with, []string{"Authorization: Basic " + opsToken}, http.StatusUnauthorized},
		"a web page":            {with, []string{"Authorization: Bearer " + opsToken, "Origin: https://evil.example"}, http.StatusForbidden},
		"lower case":            {with, []string{"Authorization: bearer " + opsToken}, http.StatusOK},
	} {
		if w := test.of.change(drain, test.headers...); w.Code != test.want {
			t.Errorf("%s: %d, want %d", name, w.Code, test.want)
		}
	}
	for path, want := range map[string][2]int{ // with a token, and without one
		"/": {401, 200}, "/debug/pprof/heap": {401, 200},
		"/metrics": {200, 200}, "/livez": {200, 200}, "/readyz": {503, 503}, "/backends": {200, 200},
	} {
		if got := [2]int{with.ask("GET", path).Code, without.ask("GET", path).Code}; !slices.Equal(got[:], want[:]) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// The readiness tells of a backend without a healthy server.
func TestReadinessOfBackends(t *testing.T) {
	t.Parallel()
	o := newBalanced(t, "")
	for _, s := range o.backend.Servers() {
		s.SetHealth(false, nil)
	}
	if body := o.ask("GET", "/readyz").Body.String(); !strings.Contains(body, "backend orders has no healthy server") {
		t.Error(body)
	}
}

// The copies of a route's requests are reported from the first one on.
func TestMirrorMetrics(t *testing.T) {
	t.Parallel()
	o := newOperators(t, nil)
	route := o.metrics.Route("orders", "http://backend:80")
	route.Started()
	if o.shows(`gatehouse_mirror_requests_total{`) {
		t.Error("a route that copies nothing has copies")
	}
	route.Mirrored(forward.MirrorTooLarge)
	for _, line := range []string{
		`gatehouse_mirror_requests_total{result="sent",route="orders"} 0`,
		`gatehouse_mirror_requests_total{result="too_large",route="orders"} 1`,
	} {
		if !o.shows(line) {
			t.Errorf("/metrics has no %s", line)
		}
	}
}
