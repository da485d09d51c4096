package forward

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/internal/occurrence"
	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/http1/transport"
	"gatehouse/proxy/stream"
)

// Options are what a Forwarder works with.
type Options struct {
	Log             *slog.Logger
	Wheel           *timerwheel.Wheel
	Unreadable      *clientip.UnreadableLog // of headers of trusted proxies
	DescriptorLimit int                     // of the process, for the log; 0 is unknown
}

// Forwarder forwards requests. It outlives route tables.
type Forwarder struct {
	log             *slog.Logger
	wheel           *timerwheel.Wheel
	unreadable      *clientip.UnreadableLog
	descriptorLimit int
	shortages       occurrence.Counter // of descriptors or ports for backends
	streams         stream.Set
	replays         replayBudget

	// EarlyGrace is how long an answer that comes before the end of a body waits for
	// the rest: 500 ms, but for tests. It must not change while requests are forwarded.
	EarlyGrace time.Duration
}

// New makes a Forwarder.
func New(o Options) *Forwarder {
	return &Forwarder{
		log: o.Log, wheel: o.Wheel, unreadable: o.Unreadable, descriptorLimit: o.DescriptorLimit, EarlyGrace: earlyAnswerGrace,
	}
}

// DrainStreams waits until the upgraded connections have ended, or ctx has. Then it
// ends those that are left, WebSockets by a close frame, and returns their number.
func (f *Forwarder) DrainStreams(ctx context.Context) (left int) { return f.streams.Drain(ctx) }

// Forward sends a request to its backend and writes the answer to w. The caller closes
// the Transfer afterwards. All that can refuse the request before a byte is sent has
// done so, but for the size that it announces.
//
// Forward returns the refusal where the backend gave no answer. It has written the
// refusal to w, but for the one before the request was sent, and for that of a client
// that has left. It panics with http.ErrAbortHandler to cut off an answer.
func (f *Forwarder) Forward(w http.ResponseWriter, t *Transfer, to *Backend, facts Facts) *httperr.Error {
	in := facts.In
	if limit := int64(to.config.MaxBody); limit > 0 && in.ContentLength > limit {
		return httperr.BodyTooLarge
	}
	t.Facts, t.forwarder, t.backend = facts, f, to
	t.answer.ResponseWriter, t.answer.t = w, t
	a := t.newAttempt()
	a.context.Init(in.Context())
	defer a.context.Cancel(nil)
	a.idleTimer.Start(f.wheel, a, to.config.Timeout)
	defer a.idleTimer.Stop()

	a.grantUpgrade()
	a.hooks.BodyAwaited = a
	if a.goesDirect() {
		a.hooks.Fields = a
	}
	out := in.WithContext(transport.WithHooks(&a.context, &a.hooks))
	out.Header = nil // eachField makes it
	if in.ContentLength != 0 {
		t.prepareBody(out)
	}
	to.proxy.ServeHTTP(&t.answer, out)
	return t.refusal
}

// prepareBody has the client's body pass through the Transfer.
func (t *Transfer) prepareBody(out *http.Request) {
	control := http.NewResponseController(t.answer.ResponseWriter)
	if t.In.ProtoMajor == 1 {
		// The answer may begin before the request has ended, in both directions at
		// once; HTTP/2 does so anyway.
		_ = control.EnableFullDuplex()
	}
	t.body = newClientBody(t, control)
	t.body.idleTimer.Store(&t.attempt.idleTimer)
	out.Body = t.body
	if !t.backend.lean { // which sends nothing again that has a body
		t.replay = &replayBody{source: t.body, budget: &t.forwarder.replays}
		out.Body, out.GetBody = t.replay.firstAttempt(), t.getBody
	}
}

// Metrics are what a Backend reports. They are safe for concurrent use.
type Metrics interface {
	// Backend reports whether the backend could be connected to just now.
	Backend(up bool)
	// Sent counts bytes sent on an upgraded connection, as they pass.
	Sent(bytes int64)
}

// BackendOptions are what a Backend is made of.
type BackendOptions struct {
	Route     *config.Route
	Gate      *auth.Gate // watches over streams
	Headers   *HeaderPolicy
	Metrics   Metrics
	Transport http.RoundTripper
	Buffers   httputil.BufferPool
}

// Backend is where one route forwards its requests to, and how. It never changes.
type Backend struct {
	config  *config.Route
	rule    auth.Rule
	gate    *auth.Gate
	policy  *HeaderPolicy
	metrics Metrics
	proxy   *httputil.ReverseProxy
	lean    bool   // its transport is that of http1/transport
	base    string // path that is put before the request's, "" mostly
}

// discardLog is for httputil, which logs what it also gives to the ErrorHandler or
// cuts off; the access line has it, with the request id.
var discardLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)

// NewBackend makes the Backend of a route.
func NewBackend(o BackendOptions) *Backend {
	b := &Backend{
		config: o.Route, rule: auth.Rule{Policy: o.Route.Auth, Roles: o.Route.Roles}, gate: o.Gate, policy: o.Headers, metrics: o.Metrics,
		base: strings.TrimSuffix(o.Route.Backend.EscapedPath(), "/"),
	}
	_, b.lean = o.Transport.(*transport.Transport)
	b.proxy = &httputil.ReverseProxy{
		Transport:      o.Transport,
		BufferPool:     o.Buffers,
		Rewrite:        b.rewrite,
		ModifyResponse: b.modifyResponse,
		ErrorHandler:   handleError,
		ErrorLog:       discardLog,
	}
	return b
}
