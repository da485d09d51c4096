package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"gatehouse/auth"
	"gatehouse/internal/descriptors"
	"gatehouse/internal/httperr"
	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/cors"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/upstream"
)

// Bounds on how long a client may take over what is not streamed.
const (
	// lastWriteGrace is for a client of HTTP/2 to take what is left of an answer
	// that is complete.
	lastWriteGrace = time.Minute
	// handlerBodyTime is for the whole body of a request to a built-in handler.
	handlerBodyTime = 30 * time.Second
)

// Options are what a Gateway works with, besides its table.
type Options struct {
	Log        *slog.Logger // decides by level: access lines are at info, /health at debug
	Access     AccessLog    // nil for access lines in Log
	Metrics    Metrics
	Transports *upstream.Pool
	// StoreHealth tells whether the store of the users answers, for GET
	// /health; nil without a store.
	StoreHealth func() error
	// Requests counts every request from its beginning on; nil counts none.
	Requests    *atomic.Uint64
	Descriptors descriptors.Division // of the process
}

// Gateway is the public http.Handler. It serves the table that Swap gave it
// last, and 503 before.
type Gateway struct {
	log          *slog.Logger
	access       AccessLog
	unmatched    RouteMetrics
	transports   *upstream.Pool
	storeHealth  func() error
	requestCount *atomic.Uint64    // requests so far; nil when nobody asks
	requests     *clientip.Counter // that have no complete answer yet
	unreadable   clientip.UnreadableLog
	descriptors  descriptors.Division
	table        atomic.Pointer[Table]
	lastWrite    time.Duration // for a client to take the rest of an answer; constant but for tests
	forwarder    *forward.Forwarder
	wheel        *timerwheel.Wheel
	draining     atomic.Bool // every answer in HTTP/1 is the last on its connection
}

// NewGateway makes a gateway without a table.
func NewGateway(o Options) *Gateway {
	if o.Access == nil {
		o.Access = AccessThrough(o.Log.Handler())
	}
	g := &Gateway{
		log: o.Log, access: o.Access, unmatched: o.Metrics.Route(NoRoute, ""), transports: o.Transports,
		storeHealth: o.StoreHealth, requestCount: o.Requests, descriptors: o.Descriptors, requests: clientip.NewCounter(),
		lastWrite: lastWriteGrace, wheel: timerwheel.New(),
	}
	g.forwarder = forward.New(forward.Options{
		Log: g.log, Wheel: g.wheel, Unreadable: &g.unreadable, DescriptorLimit: o.Descriptors.Limit,
	})
	return g
}

// Table returns the live table, nil before the first Swap.
func (g *Gateway) Table() *Table { return g.table.Load() }

// Swap makes the table the live one: one store of one pointer. Requests that
// have begun finish with the table they began with. It gives back the old one.
func (g *Gateway) Swap(table *Table) (old *Table) {
	old = g.table.Swap(table)
	g.transports.Activate(table.transports)
	if old != nil && old.gate != table.gate {
		old.gate.Forget()
	}
	return old
}

// Drain has every answer in HTTP/1 end its connection from now on, so that the
// busy ones are gone before the listener closes (RFC 9112 section 9.6). Those
// over HTTP/2 are told by GOAWAY, when no new ones are taken any more.
func (g *Gateway) Drain() { g.draining.Store(true) }

// DrainStreams is called when no request is left that could be upgraded. It
// waits until the upgraded connections have ended, or the context
// has. Those that are left then are ended, WebSockets with a close frame; it
// gives their number. net/http's Shutdown knows nothing of them.
func (g *Gateway) DrainStreams(ctx context.Context) (left int) { return g.forwarder.DrainStreams(ctx) }

// ServeHTTP is the life of a request; see the package documentation.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := g.begin(w, r)
	defer func() { x.finish(r, recover()) }()
	if refusal := g.serve(x, r); refusal != nil {
		x.refuse(refusal)
	}
}

// serve takes the request through its hops. Whoever refuses ends it.
func (g *Gateway) serve(x *exchange, r *http.Request) *httperr.Error {
	table := x.table
	if table == nil {
		x.caller = clientip.Find(clientip.PeerAt(r.RemoteAddr), r, nil)
		return httperr.NoTable
	}
	x.caller = clientip.Find(clientip.PeerAt(r.RemoteAddr), r, table.trusted)
	if header := x.caller.UnreadList(r); header != "" {
		g.unreadable.Log(g.log, x.caller.Peer, header)
	}
	if table.cors != nil { // before all refusals: errors carry the CORS headers, too
		x.response.allowOrigin = table.cors.AllowedOrigin(r.Header)
	}
	if table.cors != nil && cors.IsPreflight(r) {
		return table.cors.Preflight(&x.response, r, x.response.allowOrigin, table.reachableMethods(r))
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
	x.route, x.metrics = route, route.metrics
	route.metrics.Started()

	if route.builtIn != nil {
		return serveHandler(x, r, route)
	}
	identity, refusal := table.gate.Decide(r.Context(), r.Header, route.rule)
	x.identity = identity
	if refusal != nil {
		route.metrics.Decided(auth.Result(refusal.AuthResult))
		return refusal
	}
	route.metrics.Decided(auth.ResultAllowed)
	return g.forwarder.Forward(&x.response, &x.transfer, route.backend, forward.Facts{
		In: r, ID: x.response.id, Caller: x.caller, Path: path, Identity: identity,
	})
}

// serveHandler lets a built-in handler answer. Its endpoints ask the gate
// themselves, and leave what was decided for the log.
func serveHandler(x *exchange, r *http.Request, route *compiledRoute) *httperr.Error {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(x.response.ResponseWriter).SetReadDeadline(time.Now().Add(handlerBodyTime))
	}
	var decision auth.Decision
	ctx := auth.WithClient(auth.WithDecision(r.Context(), &decision), x.caller.IP)
	x.response.Header().Set("X-Request-Id", x.response.id) // refusals carry it in their body
	route.builtIn.ServeHTTP(&x.response, route.stripped(r.WithContext(ctx), x.path))
	x.identity, x.refusal = decision.Identity, decision.Refusal
	switch {
	case decision.Refusal != nil && decision.Refusal.AuthResult != "":
		route.metrics.Decided(auth.Result(decision.Refusal.AuthResult))
	case decision.Identity != nil:
		route.metrics.Decided(auth.ResultAllowed)
	}
	return nil
}
