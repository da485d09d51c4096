package backend

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"gatehouse/config"
	"gatehouse/internal/testkit"
	"gatehouse/proxy/upstream"
)

// checkedTable returns the backends of a table: the text of `backends:`.
func checkedTable(t testing.TB, backends string) map[string]*config.Backend {
	t.Helper()
	cfg, err := config.Parse("routes.yaml", []byte("users: off\nbackends:\n"+backends+"\nroutes:\n  - {name: orders, prefix: /, backend: orders, auth: none}\n"), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, backends)
	}
	return cfg.Backends
}

// transports returns what finds the transports for checks, as a compiled table does.
func transports(t testing.TB, options upstream.PoolOptions) func(*config.Backend) (http.RoundTripper, error) {
	pool, set := upstream.NewPool(options), new(upstream.Set)
	t.Cleanup(func() { pool.Activate(upstream.Set{}) })
	return func(b *config.Backend) (http.RoundTripper, error) { return pool.Get(set, b.CheckRoute()) }
}

// checkOnce checks the only server of the backend "orders" once, with both transports. It
// returns the error of the check, which is the same with both.
func checkOnce(t *testing.T, orders string) error {
	t.Helper()
	var errs []error
	for _, standard := range []bool{false, true} {
		registry := newTestRegistry()
		set, err := registry.Prepare(checkedTable(t, "  orders: "+orders), transports(t, upstream.PoolOptions{Standard: standard}))
		if err != nil {
			t.Fatal(err)
		}
		b := set.Get("orders")
		c := &checker{server: b.Servers()[0], health: b.config.Health, base: b.base(), transport: b.transport, slots: registry.checks}
		errs = append(errs, c.checkInTurn(t.Context()))
	}
	if (errs[0] == nil) != (errs[1] == nil) {
		t.Fatalf("the transports do not agree: %v, %v", errs[0], errs[1])
	}
	return errs[0]
}

// wantCheck requires that the error of a check contains a text, in any case. "" wants none.
func wantCheck(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("the check fails: %v", err)
	case want != "" && (err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want))):
		t.Errorf("the error of the check is %v, want %q", err, want)
	}
}

// answering returns a handler that answers with a status and a header, such as
// "Location: /".
func answering(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
	}
}

func TestHealthHTTP(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		health  string // besides the path
		want    string
	}{
		"200":                 {answering(200), "", ""},
		"204":                 {answering(204), "", ""},
		"300":                 {answering(300), "", "status 300"},
		"404":                 {answering(404), "", "status 404"},
		"503":                 {answering(503), "", "status 503"},
		"a listed status":     {answering(404), ", expect: [404, 500-502]", ""},
		"in a range":          {answering(502), ", expect: [404, 500-502]", ""},
		"not listed":          {answering(200), ", expect: [404, 500-502]", "status 200"},
		"a redirect":          {answering(302, "Location: http://other.example/login?token=geheim#x"), "", `status 302, a redirect to "http://other.example/login"`},
		"a local redirect":    {answering(301, "Location: /healthz/"), "", `status 301, a redirect to "/healthz/"`},
		"an odd redirect":     {answering(307, "Location: http://user:geheim@%zz/"), "", "status 307, a redirect to"},
		"an expected 302":     {answering(302, "Location: /elsewhere"), ", expect: [302]", ""},
		"no answer":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "EOF"},
		"no answer in time":   {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ", timeout: 50ms", "deadline exceeded"},
		"no body in time":     {stallingBody, ", timeout: 50ms", "deadline exceeded"},
		"a body that ends":    {breakingBody, "", "read answer"},
		"a body of 64 KiB":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 64<<10)) }, "", ""},
		"early hints, then 2": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(200) }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := checkOnce(t, "{servers: ["+testkit.Serve(t, test.handler)+"], health: {path: /healthz"+test.health+"}}")
			wantCheck(t, err, test.want)
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("the error has a secret: %v", err)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		wantCheck(t, checkOnce(t, "{servers: ['http://"+testkit.RefusingAddress(t)+"'], health: {path: /}}"), "refused")
	})
	t.Run("not HTTP", func(t *testing.T) {
		ssh := testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
		})
		wantCheck(t, checkOnce(t, "{servers: ["+ssh+"], health: {path: /}}"), "malformed HTTP")
	})
}

// stallingBody sends a part of its body, and nothing more.
func stallingBody(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "a part")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// breakingBody sends less than it has announced.
func breakingBody(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "10")
	_, _ = io.WriteString(w, "a part")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// The request of a check goes to the path behind that of the server's URL.
func TestHealthRequest(t *testing.T) {
	t.Parallel()
	requests := make(chan *http.Request, 2)
	server := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) { requests <- r })
	wantCheck(t, checkOnce(t, "{servers: ["+server+"/api%2Fv1/], health: {path: '/healthz?deep=1'}}"), "")
	for range 2 {
		r := <-requests
		if r.Method != "GET" || r.RequestURI != "/api%2Fv1/healthz?deep=1" || r.Host != strings.TrimPrefix(server, "http://") || r.UserAgent() != "gatehouse-health" {
			t.Errorf("%s %s, Host %s, User-Agent %q", r.Method, r.RequestURI, r.Host, r.UserAgent())
		}
	}
}

// Of an endless body, little is read.
func TestHealthBody(t *testing.T) {
	t.Parallel()
	const gigabyte = 1 << 30
	written := make(chan int, 2)
	server := testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		total, chunk := 0, make([]byte, 64<<10)
		for total < gigabyte {
			n, err := w.Write(chunk)
			if total += n; err != nil {
				break
			}
		}
		written <- total
	})
	wantCheck(t, checkOnce(t, "{servers: ["+server+"], health: {path: /, timeout: 30s}}"), "")
	for range 2 {
		if total := <-written; total > 64<<20 { // the buffers of the sockets take some MiB
			t.Errorf("the server could write %d bytes", total)
		}
	}
}

// The checks verify certificates as `tls` of the backend says.
func TestHealthTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(answering(200)) // its certificate is for example.com and 127.0.0.1
	server.Config.ErrorLog = testkit.DiscardLog()
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := testkit.TempFile(t, "ca.pem", testkit.CertificatePEM(server.Certificate()))
	other, _ := testkit.SelfSigned(t, time.Now().Add(time.Hour))
	otherCA := testkit.TempFile(t, "other.pem", other)
	for name, test := range map[string]struct{ tls, want string }{
		"own authority":   {"tls: {ca: " + ca + "}", ""},
		"and its name":    {"tls: {ca: " + ca + ", server_name: example.com}", ""},
		"HTTP/1.1 only":   {"protocol: http1, tls: {ca: " + ca + "}", ""},
		"another name":    {"tls: {ca: " + ca + ", server_name: other.example}", "certificate is valid for example.com"},
		"other authority": {"tls: {ca: " + otherCA + "}", "certificate"},
		"no authority":    {"protocol: auto", "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCheck(t, checkOnce(t, "{servers: ['"+server.URL+"'], health: {path: /, timeout: 30s}, "+test.tls+"}"), test.want)
		})
	}
}

// With `protocol: h2c`, checks use HTTP/2.
func TestHealthH2C(t *testing.T) {
	t.Parallel()
	server := testkit.ServeH2C(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
		}
	})
	wantCheck(t, checkOnce(t, "{servers: ["+server+"], protocol: h2c, health: {path: /healthz}}"), "")
	if checkOnce(t, "{servers: ["+server+"], health: {path: /healthz}}") == nil {
		t.Error("a server of HTTP/2 alone passes a check with HTTP/1.1")
	}
}

// The standard health service of gRPC answers for a service, and for the whole server.
func TestHealthGRPC(t *testing.T) {
	t.Parallel()
	serve := func(options ...grpc.ServerOption) string {
		server, service, listener := grpc.NewServer(options...), health.NewServer(), testkit.Listen(t)
		service.SetServingStatus("orders.Orders", healthpb.HealthCheckResponse_SERVING)
		service.SetServingStatus("orders.Late", healthpb.HealthCheckResponse_NOT_SERVING)
		healthpb.RegisterHealthServer(server, service)
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(server.Stop)
		return listener.Addr().String()
	}
	certificate, key := testkit.SelfSigned(t, time.Now().Add(time.Hour))
	ca := testkit.TempFile(t, "ca.pem", certificate)
	pair, err := credentials.NewServerTLSFromFile(ca, testkit.TempFile(t, "key.pem", key))
	if err != nil {
		t.Fatal(err)
	}
	plain, encrypted := "http://"+serve(), "https://"+serve(grpc.Creds(pair))
	unaware := grpc.NewServer()
	listener := testkit.Listen(t)
	go func() { _ = unaware.Serve(listener) }()
	t.Cleanup(unaware.Stop)
	empty := testkit.ServeH2C(t, answering(200, "Content-Type: application/grpc", "Grpc-Status: 0"))
	for name, test := range map[string]struct{ server, health, more, want string }{
		"the whole server":     {plain, `{grpc: ""}`, "", ""},
		"a service":            {plain, "{grpc: orders.Orders}", "", ""},
		"not serving":          {plain, "{grpc: orders.Late}", "", "not serving: status 2"},
		"an unknown service":   {plain, "{grpc: orders.Nobody}", "", `gRPC status "5"`},
		"over TLS":             {encrypted, "{grpc: orders.Orders, timeout: 30s}", ", tls: {ca: " + ca + "}", ""},
		"no health service":    {"http://" + listener.Addr().String(), `{grpc: ""}`, "", `gRPC status "12"`},
		"no gRPC":              {testkit.ServeH2C(t, answering(404)), `{grpc: ""}`, "", "status 404"},
		"gRPC without message": {empty, `{grpc: ""}`, "", "not a HealthCheckResponse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCheck(t, checkOnce(t, "{servers: ['"+test.server+"'], health: "+test.health+test.more+"}"), test.want)
		})
	}
	if checkOnce(t, "{servers: ["+testkit.Serve(t, answering(200))+"], health: {grpc: ''}}") == nil { // the error differs
		t.Error("a server of HTTP/1.1 alone passes a check with gRPC")
	}
}

// checkedLive makes tables of a registry live, with checks at a quick pace.
type checkedLive struct {
	registry  *Registry
	log       *testkit.Log
	transport func(*config.Backend) (http.RoundTripper, error)
}

func newCheckedLive(t *testing.T) *checkedLive {
	l := &checkedLive{log: new(testkit.Log), transport: func(*config.Backend) (http.RoundTripper, error) { return http.DefaultTransport, nil }}
	l.registry = NewRegistry(Options{Log: slog.New(slog.NewTextHandler(l.log, nil)), Metrics: discardMetrics{}, StreamTime: time.Second})
	t.Cleanup(func() { l.registry.Activate(Set{}) })
	return l
}

// serve makes a table live: the text of the backend "orders", whose checks have this
// interval.
func (l *checkedLive) serve(t *testing.T, orders string, interval time.Duration) *Backend {
	t.Helper()
	backends := checkedTable(t, "  orders: "+orders)
	if health := backends["orders"].Health; health != nil {
		health.Interval, health.Timeout = interval, testkit.Timeout
	}
	set, err := l.registry.Prepare(backends, l.transport)
	if err != nil {
		t.Fatal(err)
	}
	l.registry.Activate(set)
	return set.Get("orders")
}

// A server is down after `fails` failed checks in a row, and up after `passes` good ones in
// a row.
func TestHealthInARow(t *testing.T) {
	t.Parallel()
	asked, answers := make(chan struct{}), make(chan int)
	server := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
			w.WriteHeader(<-answers)
		case <-r.Context().Done():
		}
	})
	l := newCheckedLive(t)
	b := l.serve(t, "{servers: ["+server+"], health: {path: /, fails: 3, passes: 2}}", time.Millisecond)
	state := b.Servers()[0]
	testkit.Receive(t, "the first check", asked)
	for i, step := range []struct {
		status int
		up     bool // afterwards
	}{
		{200, true},
		{500, true},
		{500, true},
		{200, true},
		{500, true},
		{500, true},
		{500, false},
		{500, false},
		{200, false},
		{500, false},
		{200, false},
		{200, true},
		{500, true},
		{200, true},
	} {
		answers <- step.status
		testkit.Receive(t, "the next check", asked) // the result of the last one is known
		if up := state.State().Healthy; up != step.up {
			t.Fatalf("after check %d, which got %d, the server is up: %t", i+1, step.status, up)
		}
	}
	answers <- 200
	for text, want := range map[string]int{"server is down": 1, "status 500": 1, "server is healthy again": 1} {
		if got := strings.Count(l.log.String(), text); got != want {
			t.Errorf("the log has %q %d times, want %d:\n%s", text, got, want, l.log)
		}
	}
}

// countChecks returns a server, and the number of its checks.
func countChecks(t *testing.T, status int) (url string, checks *atomic.Int64) {
	checks = new(atomic.Int64)
	return testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) { checks.Add(1); w.WriteHeader(status) }), checks
}

func awaitMore(t *testing.T, checks *atomic.Int64, more int64) {
	t.Helper()
	from := checks.Load()
	testkit.Eventually(t, "more checks", func() bool { return checks.Load() >= from+more })
}

// A server is not checked any more when the table does not have it, and is up without
// checks.
func TestHealthEnds(t *testing.T) {
	t.Parallel()
	one, checksOfOne := countChecks(t, 500)
	two, checksOfTwo := countChecks(t, 200)
	l := newCheckedLive(t)
	l.serve(t, "{servers: ["+one+", "+two+"], health: {path: /, fails: 1}}", time.Millisecond)
	awaitMore(t, checksOfOne, 3)
	awaitMore(t, checksOfTwo, 3)
	b := l.serve(t, "{servers: ["+two+"], health: {path: /, fails: 1}}", time.Millisecond)
	ended := checksOfOne.Load() + 1 // one may be under way
	awaitMore(t, checksOfTwo, 20)
	if got := checksOfOne.Load(); got > ended {
		t.Errorf("a server that has left was checked %d times more", got-ended)
	}
	b = l.serve(t, "{servers: ["+one+", "+two+"], health: {path: /, fails: 1}}", time.Millisecond)
	testkit.Eventually(t, "the server is down", func() bool { return !b.Servers()[0].State().Healthy })
	b = l.serve(t, "{servers: ["+one+", "+two+"]}", 0)
	if !b.Servers()[0].State().Healthy {
		t.Error("without checks, the server is still down")
	}
}

// A check that hangs ends when its server leaves.
func TestHealthIsCanceled(t *testing.T) {
	t.Parallel()
	asked, left := make(chan struct{}, 1), make(chan struct{})
	server := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		close(left)
	})
	l := newCheckedLive(t)
	b := l.serve(t, "{servers: ["+server+"], health: {path: /, fails: 1}}", time.Hour)
	testkit.Receive(t, "the check", asked)
	state := b.Servers()[0]
	l.registry.Activate(Set{})
	testkit.Receive(t, "the end of the check", left)
	if !state.State().Healthy {
		t.Error("a check that was given up counts")
	}
}

// A reload keeps the health and the checks of a server. Changed checks go on at once.
func TestHealthAfterReload(t *testing.T) {
	t.Parallel()
	server, checks := countChecks(t, 500)
	l := newCheckedLive(t)
	table := "{servers: [" + server + "], health: {path: /, fails: 1}}"
	b := l.serve(t, table, time.Hour)
	testkit.Eventually(t, "the server is down", func() bool { return !b.Servers()[0].State().Healthy })
	running := b.state.checkers[b.Servers()[0]]
	b = l.serve(t, table, time.Hour)
	if b.state.checkers[b.Servers()[0]] != running || checks.Load() != 1 {
		t.Errorf("a reload without changes begins anew: %d checks", checks.Load())
	}
	b = l.serve(t, table, time.Millisecond)
	awaitMore(t, checks, 10)
	if b.Servers()[0].State().Healthy {
		t.Error("a reload makes a server healthy")
	}
	if got := strings.Count(l.log.String(), "server is down"); got != 1 {
		t.Errorf("the log has it %d times", got)
	}
}

// Only 64 checks run at the same time.
func TestHealthAtOnce(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	var now, most, all atomic.Int64
	release := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if n := now.Add(1); n > most.Load() { // only few are needed to see more than 64
			most.Store(n)
		}
		defer now.Add(-1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		all.Add(1)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	var servers []string
	for i := range 100 {
		servers = append(servers, fmt.Sprintf("'http://127.1.0.%d:%s'", i+1, port))
	}
	l := newCheckedLive(t)
	b := l.serve(t, "{servers: ["+strings.Join(servers, ", ")+"], health: {path: /}}", 10*time.Millisecond)
	testkit.Eventually(t, "64 checks run", func() bool { return now.Load() == checksAtOnce })
	close(release)
	testkit.Eventually(t, "all servers are checked", func() bool { return all.Load() >= 200 })
	if most.Load() > checksAtOnce {
		t.Errorf("%d checks ran at the same time", most.Load())
	}
	for _, s := range b.Servers() {
		if !s.State().Healthy {
			t.Errorf("%s is down", s.ID())
		}
	}
}

// A result of checks that were stopped does not count: nobody would correct it.
func TestHealthOfStoppedChecks(t *testing.T) {
	b := newTestBackend(t, newTestRegistry(), nil, 1)
	server := b.Servers()[0]
	c := &checker{server: server, stop: func() {}}
	b.state.checkers[server] = c
	if c.found(false, io.ErrUnexpectedEOF); server.State().Healthy {
		t.Fatal("the result of a check does not count")
	}
	c.found(true, nil)
	b.syncChecks() // the backend has no checks
	if c.found(false, io.ErrUnexpectedEOF); !server.State().Healthy {
		t.Error("the result of a check counts that was stopped")
	}
}
