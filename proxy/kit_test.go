package proxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/http1/server"
	"gatehouse/proxy/listener"
	"gatehouse/proxy/rewrite"
	"gatehouse/proxy/upstream"
)

const testSecret = "a secret of the tests, 32 bytes or more"

var (
	testUser    = uuid.MustParse("11111111-1111-4111-8111-111111111111")
	testCompany = uuid.MustParse("22222222-2222-4222-8222-222222222222")
)

// kit is a gateway in front of a backend, both on real sockets.
type kit struct {
	t        testing.TB
	gateway  *Gateway
	parts    Parts
	metrics  *recorder
	log      *accessLog
	signer   *auth.Signer
	verifier *auth.Verifier
	backend  string           // URL
	server   *httptest.Server // of TLS
	url      string           // of the front server

	transport *http.Transport // of clients without TLS
	h2c       bool            // clients without TLS use HTTP/2
	standard  bool            // net/http's server and transport, instead of our own

	headTimeout time.Duration // 0 means testkit.Timeout
	maxHeader   int           // in bytes; 0 means the default of net/http
}

// start serves a table over HTTP/1.1. In the YAML of the table, ${BACKEND} is the URL of
// the backend.
func start(t testing.TB, table string, backend http.HandlerFunc) *kit {
	t.Helper()
	if backend == nil {
		backend = func(http.ResponseWriter, *http.Request) {}
	}
	return startBefore(t, table, testkit.Serve(t, backend))
}

// startBefore is like start, for a backend that runs already.
func startBefore(t testing.TB, table, backend string) *kit {
	t.Helper()
	k := newKit(t, table, backend)
	k.serve()
	return k
}

// serve serves the gateway as cmd/gatehouse does.
func (k *kit) serve() {
	k.t.Helper()
	k.transport = &http.Transport{}
	k.t.Cleanup(k.transport.CloseIdleConnections)
	standard := &http.Server{
		Handler: k.gateway, ErrorLog: testkit.DiscardLog(), ReadHeaderTimeout: cmp.Or(k.headTimeout, testkit.Timeout), IdleTimeout: testkit.Timeout, MaxHeaderBytes: k.maxHeader,
	}
	if k.h2c {
		k.transport.Protocols, standard.Protocols = new(http.Protocols), new(http.Protocols)
		k.transport.Protocols.SetUnencryptedHTTP2(true)
		standard.Protocols.SetHTTP1(true)
		standard.Protocols.SetUnencryptedHTTP2(true)
	}
	public := testkit.Listen(k.t)
	server := server.New(standard)
	var serving interface {
		Serve(l net.Listener) error
		Shutdown(ctx context.Context) error
		Close() error
	} = server
	if k.standard {
		serving = standard
	}
	server.HTTP10Head, server.HeadTimeout = listener.HTTP10Head, listener.HeadTimeout
	standard.ConnContext, standard.ConnState = listener.ConnContext, listener.ConnState
	ended := make(chan error)
	limited := net.Listener(k.gateway.Limit(public))
	if k.standard {
		limited = k.gateway.Limit(public).Begun()
	}
	go func() { ended <- serving.Serve(limited) }()
	k.url = "http://" + public.Addr().String()
	k.t.Cleanup(func() {
		stopping, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
		defer cancel()
		if err := serving.Shutdown(stopping); err != nil {
			k.t.Errorf("shutdown: %v", err)
			_ = serving.Close()
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			k.t.Errorf("serve: %v", err)
		}
	})
}

// startTLS is like startBefore, over TLS with HTTP/2.
func startTLS(t testing.TB, table, backend string) *kit {
	t.Helper()
	k := newKit(t, table, backend)
	k.serveTLS()
	return k
}

// eachHTTP2 runs a test over HTTP/2 with TLS and without.
func eachHTTP2(t *testing.T, table, backend string, test func(t *testing.T, k *kit)) {
	t.Helper()
	t.Run("TLS", func(t *testing.T) { test(t, startTLS(t, table, backend)) })
	t.Run("h2c", func(t *testing.T) { test(t, startH2C(t, table, backend)) })
}

// startH2C is like startBefore, for clients of HTTP/2 without TLS.
func startH2C(t testing.TB, table, backend string) *kit {
	t.Helper()
	k := newKit(t, table, backend)
	k.h2c = true
	k.serve()
	return k
}

func (k *kit) serveTLS() {
	k.server = httptest.NewUnstartedServer(k.gateway)
	k.server.Config.ErrorLog = testkit.DiscardLog()
	k.server.EnableHTTP2 = true
	k.server.StartTLS()
	k.url = k.server.URL
	k.t.Cleanup(k.server.Close)
}

// builtIn is a built-in handler without endpoints.
type builtIn func(http.ResponseWriter, *http.Request)

func (b builtIn) ServeHTTP(w http.ResponseWriter, r *http.Request) { b(w, r) }

func (builtIn) Rule(*http.Request) (auth.Rule, *httperr.Error) {
	return auth.Rule{Policy: config.PolicyInitial}, nil
}

// eachLane tests a gateway with our own HTTP/1.1 server and transport, and with those of
// net/http, as with GATEWAY_TRANSPORT=standard.
func eachLane(t *testing.T, table, backend string, test func(t *testing.T, k *kit)) {
	for name, standard := range map[string]bool{"lean": false, "standard": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKitOf(t, table, backend, upstream.PoolOptions{MaxIdle: 64, Standard: standard})
			k.standard = standard
			k.serve()
			test(t, k)
		})
	}
}

// newKit returns a gateway that is not served yet.
func newKit(t testing.TB, table, backend string) *kit {
	t.Helper()
	return newKitOf(t, table, backend, upstream.PoolOptions{MaxIdle: 64})
}

func newKitOf(t testing.TB, table, backend string, options upstream.PoolOptions) *kit {
	t.Helper()
	keys, err := keys.FromSecret("HS256", []byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	claims := auth.ClaimsOf(parse(t, table, backend))
	k := &kit{
		t:        t,
		metrics:  newRecorder(),
		log:      &accessLog{lines: make(chan string, 1024)},
		signer:   auth.NewSigner(keys, time.Hour, time.Now),
		verifier: auth.NewVerifier(keys, nil, time.Now).Keeping(claims),
		backend:  backend,
	}
	transports := upstream.NewPool(options)
	backends := newBackends(k.metrics)
	k.parts = Parts{
		Backends:   backends,
		Gate:       auth.NewGate(auth.NewVerifier(keys, nil, time.Now).Keeping(claims), nil),
		Metrics:    k.metrics,
		Transports: transports,
		Users: builtIn(func(w http.ResponseWriter, r *http.Request) {
			httperr.WriteJSON(w, http.StatusOK, map[string]string{"path": r.URL.Path})
		}),
	}
	k.gateway = NewGateway(Options{
		Log:        slog.New(slog.NewJSONHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics:    k.metrics,
		Transports: transports,
		Backends:   backends,
	})
	k.gateway.Swap(k.compile(table))
	t.Cleanup(func() {
		transports.Activate(upstream.Set{})
		k.parts.Backends.Activate(noBackends)
	})
	return k
}

var noBackends backend.Set

func newBackends(metrics backend.Metrics) *backend.Registry {
	return backend.NewRegistry(backend.Options{Log: slog.New(slog.DiscardHandler), Metrics: metrics, StreamTime: time.Second})
}

// parse parses a table as an operator writes it.
func parse(t testing.TB, table, backend string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("routes.yaml", []byte(table), func(name string) (string, bool) {
		return backend, name == "BACKEND"
	})
	if err != nil {
		t.Fatalf("parse table: %v\n%s", err, table)
	}
	return cfg
}

func (k *kit) compile(table string) *Table {
	k.t.Helper()
	compiled, err := Compile(parse(k.t, table, k.backend), k.parts)
	if err != nil {
		k.t.Fatal(err)
	}
	return compiled
}

// transportOf returns the transport of one of a table's routes.
func (k *kit) transportOf(table *Table, route int) http.RoundTripper {
	k.t.Helper()
	transport, err := k.parts.Transports.Get(&table.transports, table.routes[route].config)
	if err != nil {
		k.t.Fatal(err)
	}
	return transport
}

// sendTo makes all routes of a table send their requests through a transport.
func sendTo(table *Table, transport http.RoundTripper) {
	for _, r := range table.routes {
		if r.config.Backend == nil {
			continue
		}
		var rewritten *rewrite.Path
		if r.config.Rewrite != nil {
			rewritten, _ = rewrite.NewPath(r.config) // compiled before
		}
		of, servers := r.config, (*backend.Backend)(nil)
		if !of.Backend.IsURL() {
			of, servers = of.Backend.Shares[0].Route, table.backends.Get(of.Backend.Shares[0].Name)
		}
		r.backend = forward.NewBackend(forward.BackendOptions{
			Route: of, Servers: servers, URL: r.config.Backend.First(), Gate: table.gate, Headers: table.headers, Metrics: r.metrics, CORS: r.cors != nil, Transport: transport, Buffers: forward.NewCopyBuffers(),
			Rewrite: rewritten, Back: rewrite.NewBack(r.config, rewritten),
		})
	}
}

// member is the Authorization of a user with a company.
func (k *kit) member() string { return k.bearer(&testCompany) }

// newcomer is the Authorization of a user without one.
func (k *kit) newcomer() string { return k.bearer(nil) }

func (k *kit) bearer(company *uuid.UUID) string {
	k.t.Helper()
	token, err := k.signer.Token(testUser, "ada@example.com", company)
	if err != nil {
		k.t.Fatal(err)
	}
	return "Bearer " + token
}

// answer is a response whose body was read.
type answer struct {
	*http.Response
	body string
}

// do sends a request to the gateway, with headers in the form "Name: value".
func (k *kit) do(method, target string, body io.Reader, headers ...string) answer {
	k.t.Helper()
	res := k.open(method, target, body, headers...)
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		k.t.Fatalf("%s %s: read body: %v", method, target, err)
	}
	return answer{res, string(got)}
}

func (k *kit) get(target string, headers ...string) answer {
	k.t.Helper()
	return k.do(http.MethodGet, target, nil, headers...)
}

// open is like do, but does not read the body.
func (k *kit) open(method, target string, body io.Reader, headers ...string) *http.Response {
	k.t.Helper()
	req := k.request(method, target, body, headers...)
	res, err := k.client().Do(req)
	if err != nil {
		k.t.Fatalf("%s %s: %v", method, target, err)
	}
	k.t.Cleanup(func() { res.Body.Close() })
	return res
}

func (k *kit) request(method, target string, body io.Reader, headers ...string) *http.Request {
	k.t.Helper()
	req, err := http.NewRequestWithContext(testkit.Context(k.t), method, k.url+target, body)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header[name] = append(req.Header[name], value) // spelled as given
	}
	return req
}

// client returns the client of the front server. It does not follow redirects.
func (k *kit) client() *http.Client {
	client := http.Client{Transport: k.transport}
	if k.server != nil {
		client = *k.server.Client()
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func (k *kit) dial() *testkit.Client { return testkit.Dial(k.t, k.url) }

// receive reads one complete answer.
func receive(c *testkit.Client) answer {
	res, body := c.Receive()
	return answer{res, body}
}

// raw sends bytes over a new connection and reads one answer.
func (k *kit) raw(text string) answer {
	k.t.Helper()
	w := k.dial()
	w.Send(text)
	return receive(w)
}

// wantStatus reports an error for another status.
func (a answer) wantStatus(t testing.TB, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%d %s, want %d", a.StatusCode, a.body, status)
	}
}

// wantDetail checks status and detail of an answer that the gateway itself has written.
func (a answer) wantDetail(t testing.TB, status int, detail string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("status = %d, want %d; body %q", a.StatusCode, status, a.body)
	}
	var body struct {
		Detail    string `json:"detail"`
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Errorf("body %q: %v", a.body, err)
	}
	if body.Detail != detail {
		t.Errorf("detail = %q, want %q", body.Detail, detail)
	}
	if id := a.Header.Get("X-Request-ID"); id == "" || body.RequestID != id {
		t.Errorf("request_id = %q, X-Request-ID = %q", body.RequestID, id)
	}
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q", got)
	}
}

// accessLog passes log lines on to a test.
type accessLog struct{ lines chan string }

func (l *accessLog) Write(p []byte) (int, error) {
	select {
	case l.lines <- string(bytes.TrimSpace(p)):
	default: // the test does not read its log
	}
	return len(p), nil
}

// line waits for the next line of the log.
func (k *kit) line() map[string]any {
	k.t.Helper()
	text := testkit.Receive(k.t, "a line of the log", k.log.lines)
	var line map[string]any
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		k.t.Fatalf("log line %q: %v", text, err)
	}
	return line
}

// open is a table of one route without a policy.
const openTable = `
users: off
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none}
`

// flush sends the bytes that a handler has written.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
