package proxy

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"gatehouse/auth"
	"gatehouse/internal/descriptors"
	"gatehouse/internal/httperr"
	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/compress"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/listener"
	"gatehouse/proxy/upstream"
)

// How long a client may take when nothing is streamed.
const (
	// lastWriteGrace is how long an HTTP/2 client may take to receive the rest of an
	// answer after the handler has written all of it.
	lastWriteGrace = time.Minute
	// handlerBodyTime is how long a client may take to send the whole body of a request
	// to a built-in handler.
	handlerBodyTime = 30 * time.Second
)

// Options configure a Gateway.
type Options struct {
	Log        *slog.Logger // its level also enables access lines: info, or debug for /health
	Access     AccessLog    // nil means that access lines go to Log
	Metrics    Metrics
	Transports *upstream.Pool
	Backends   *backend.Registry
	// StoreHealth returns an error when the store of the users does not work. GET
	// /health calls it. It is nil without a store.
	StoreHealth func() error
	// Requests counts requests when they begin. It may be nil.
	Requests    *atomic.Uint64
	Descriptors descriptors.Division // of the process
}

// Gateway is the public http.Handler. It serves the table of the last call of Swap. Before
// the first call, it answers 503.
type Gateway struct {
	log          *slog.Logger
	access       AccessLog
	metrics      Metrics
	unmatched    RouteMetrics
	transports   *upstream.Pool
	backends     *backend.Registry
	storeHealth  func() error
	requestCount *atomic.Uint64    // all requests; may be nil
	requests     *clientip.Counter // running requests by client
	unreadable   clientip.UnreadableLog
	limits       limitCounts
	clients      *listener.Clients // the connections
	table        atomic.Pointer[Table]
	lastWrite    time.Duration // lastWriteGrace; tests may change it
	forwarder    *forward.Forwarder
	wheel        *timerwheel.Wheel
	draining     atomic.Bool // every HTTP/1 answer is the last on its connection
}

// NewGateway returns a Gateway without a table.
func NewGateway(o Options) *Gateway {
	if o.Backends == nil {
		o.Backends = backend.NewRegistry(backend.Options{Log: o.Log, Metrics: o.Metrics})
	}
	if o.Access == nil {
		o.Access = AccessThrough(o.Log.Handler())
	}
	g := &Gateway{
		log: o.Log, access: o.Access, metrics: o.Metrics, unmatched: o.Metrics.Route(NoRoute, ""), transports: o.Transports, backends: o.Backends,
		storeHealth: o.StoreHealth, requestCount: o.Requests, requests: clientip.NewCounter(),
		lastWrite: lastWriteGrace, wheel: timerwheel.New(),
	}
	g.clients = listener.NewClients(listener.Options{
		Log: g.log, Wheel: g.wheel, Descriptors: o.Descriptors, Limits: g.connectionLimits, Refused: g.countConnection, Answer: g.answerForServer,
	})
	g.forwarder = forward.New(forward.Options{
		Log: g.log, Wheel: g.wheel, Unreadable: &g.unreadable, DescriptorLimit: o.Descriptors.Limit,
	})
	return g
}

// Table returns the live table. It is nil before the first Swap.
func (g *Gateway) Table() *Table { return g.table.Load() }

// Swap makes table the live table, by storing one pointer. Running requests finish with
// the old table. Swap returns the old table, or nil if there was none.
func (g *Gateway) Swap(table *Table) (old *Table) {
	old = g.table.Swap(table)
	g.transports.Activate(table.transports)
	g.backends.Activate(table.backends)
	if old != nil && old.gate != table.gate {
		old.gate.Forget()
	}
	return old
}

// Drain makes every HTTP/1 answer close its connection from now on (RFC 9112 section
// 9.6). So busy connections end before the listener closes. HTTP/2 connections get a
// GOAWAY instead, when no new connections are accepted any more.
func (g *Gateway) Drain() { g.draining.Store(true) }

// DrainStreams waits until all upgraded connections have ended, or ctx is done. Then it
// closes the remaining ones, WebSockets with a close frame, and returns their number.
// net/http's Shutdown does not do that. Call DrainStreams when no more requests can be
// upgraded.
func (g *Gateway) DrainStreams(ctx context.Context) (closed int) {
	return g.forwarder.DrainStreams(ctx)
}

// ServeHTTP implements http.Handler. The package documentation lists its steps.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := g.begin(w, r)
	defer func() { x.finish(r, recover()) }()
	if refusal := g.serve(x, r); refusal != nil {
		x.refuse(r, refusal)
	}
}

// serve passes the request through the hops. It returns the refusal of the first hop that
// refuses the request, or nil.
func (g *Gateway) serve(x *exchange, r *http.Request) *httperr.Error {
	table, marked := x.table, refuseMarked(r)
	if table == nil {
		x.caller = clientip.Find(clientip.PeerAt(r.RemoteAddr), r, nil)
		return cmp.Or(marked, httperr.NoTable)
	}
	x.caller = clientip.Find(clientip.PeerAt(r.RemoteAddr), r, table.trusted)
	if header := x.caller.UnreadList(r); header != "" {
		g.unreadable.Log(g.log, x.caller.Peer, header)
	}
	x.response.useCORS(table.cors, r.Header) // until the route is known; refusals need the headers too
	if marked != nil {
		return marked
	}
	if table.answersPreflight(r) {
		if asked := table.preflight(r); asked.policy != nil {
			x.response.useCORS(asked.policy, r.Header)
			return asked.policy.Preflight(&x.response, r, x.response.allowOrigin, asked.methods)
		}
	}
	if !x.admit() {
		return refuseTooMany
	}

	path, route, refusal := table.find(r)
	x.path = path
	if refusal == httperr.NotFound && g.serveInfo(x, r) {
		return nil
	}
	if refusal != nil {
		return refusal
	}
	x.route, x.response.route, x.metrics = route, route, route.metrics
	route.metrics.Started()
	if route.cors != table.cors {
		x.response.useCORS(route.cors, r.Header)
	}

	if refusal := route.checkAddress(&x.caller); refusal != nil {
		route.metrics.Decided(auth.Result(refusal.AuthResult))
		return refusal
	}
	if route.builtIn != nil {
		return serveHandler(x, r, route)
	}
	identity, refusal := table.gate.Decide(r.Context(), r.Header, route.rule)
	x.identity = identity
	if refusal == nil && route.realm != nil {
		refusal = x.checkPassword(r.Context(), route.realm, r.Header)
	}
	if refusal != nil {
		route.metrics.Decided(auth.Result(refusal.AuthResult))
		return refusal
	}
	route.metrics.Decided(auth.ResultAllowed)
	if route.compress != nil {
		return x.answerCompressed(r)
	}
	return x.answer(r)
}

// answer lets the target of the route answer, when the request has passed all hops.
func (x *exchange) answer(r *http.Request) *httperr.Error {
	if x.route.answer != nil {
		x.limitRest(r)
		return x.route.answer.Answer(&x.response, x.route.forAnswer(r, x.path))
	}
	facts := forward.Facts{In: r, ID: x.response.id, Caller: x.caller, Path: x.path, Identity: x.identity, Errors: x}
	return x.gateway.forwarder.Forward(&x.response, &x.transfer, x.route.backendFor(&facts), facts)
}

// answerCompressed is like answer, for a route that compresses its answers. The response
// writes to the compressing writer, so that this one sees the header as the client gets it.
func (x *exchange) answerCompressed(r *http.Request) *httperr.Error {
	w := x.route.compress.Writer(x.response.ResponseWriter, r)
	x.response.ResponseWriter = w
	defer func() {
		w.Abort() // does nothing after Close
		if !x.response.head {
			x.response.bytes = w.Sent()
		}
	}()
	refusal := x.answer(compress.AsStored(r))
	x.response.fail(w.Close())
	return refusal
}

// serveHandler lets a built-in handler answer. Its endpoints themselves ask the gate, and
// store the decision in the context for the log.
func serveHandler(x *exchange, r *http.Request, route *compiledRoute) *httperr.Error {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(x.response.ResponseWriter).SetReadDeadline(time.Now().Add(handlerBodyTime))
		body := &countedBody{ReadCloser: r.Body}
		defer func() { route.metrics.Received(body.read) }()
		r = r.WithContext(r.Context()) // a copy: the server keeps the request
		r.Body = body
	}
	var decision auth.Decision
	ctx := auth.WithClient(auth.WithDecision(r.Context(), &decision), x.caller.IP)
	x.response.Header().Set("X-Request-Id", x.response.id) // refusals copy it into their body
	route.builtIn.ServeHTTP(&x.response, route.stripped(r.WithContext(ctx), x.path))
	x.identity, x.refusal = decision.Identity, cmp.Or(decision.Refusal, x.response.written)
	switch {
	case decision.Refusal != nil && decision.Refusal.AuthResult != "":
		route.metrics.Decided(auth.Result(decision.Refusal.AuthResult))
	case decision.Identity != nil:
		route.metrics.Decided(auth.ResultAllowed)
	}
	return nil
}

// countedBody is the request body that a built-in handler reads.
type countedBody struct {
	io.ReadCloser
	read int64 // bytes
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	return n, err
}
