package forward

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/internal/occurrence"
	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/headers"
	"gatehouse/proxy/http1/transport"
	"gatehouse/proxy/rewrite"
	"gatehouse/proxy/stream"
)

// Options configure a Forwarder.
type Options struct {
	Log             *slog.Logger
	Wheel           *timerwheel.Wheel
	Unreadable      *clientip.UnreadableLog // logs unreadable headers of trusted proxies
	DescriptorLimit int                     // of the process, for the log; 0 means unknown
}

// Forwarder forwards requests. One Forwarder serves all route tables of the process.
type Forwarder struct {
	log             *slog.Logger
	wheel           *timerwheel.Wheel
	unreadable      *clientip.UnreadableLog
	descriptorLimit int
	shortages       occurrence.Counter // of descriptors or ports for backends
	streams         stream.Set
	replays         replayBudget

	// EarlyGrace is how long an answer that comes before the end of the request body
	// waits for the rest of the body. It is 500 ms; tests may change it. It must not
	// change while requests are forwarded.
	EarlyGrace time.Duration
}

// New returns a Forwarder.
func New(o Options) *Forwarder {
	return &Forwarder{
		log: o.Log, wheel: o.Wheel, unreadable: o.Unreadable, descriptorLimit: o.DescriptorLimit, EarlyGrace: earlyAnswerGrace,
	}
}

// DrainStreams waits until all upgraded connections have ended, or ctx is done. Then it
// closes the remaining ones, WebSockets with a close frame, and returns their number.
func (f *Forwarder) DrainStreams(ctx context.Context) (closed int) { return f.streams.Drain(ctx) }

// Forward sends a request to its backend and writes the answer to w. The caller closes
// the Transfer afterwards. The caller has checked everything that can refuse the
// request before a byte is sent, except its Content-Length and its rewritten path.
//
// Forward returns a refusal when the backend gave no answer, and nil otherwise. It has
// written the refusal to w, with three exceptions: a body whose Content-Length is too
// large, a path that cannot be rewritten, and a client that has disconnected. It panics with http.ErrAbortHandler to cut
// off an answer.
func (f *Forwarder) Forward(w http.ResponseWriter, t *Transfer, to *Backend, facts Facts) *httperr.Error {
	in := facts.In
	if limit := int64(to.config.MaxBody); limit > 0 && in.ContentLength > limit {
		return httperr.BodyTooLarge
	}
	path, refusal := to.forwardedPath(facts.Path.Raw)
	if refusal != nil {
		return refusal
	}
	t.path = path
	t.Facts, t.forwarder, t.backend = facts, f, to
	t.answer.ResponseWriter, t.answer.t = w, t
	if to.mirror != nil {
		t.copy = to.mirror.begin(t)
	}
	if to.servers != nil {
		return t.balance()
	}
	t.try(&to.address, to.config.Timeout)
	return t.refusal
}

// try makes one attempt: it sends the request to a server and writes the answer, unless
// the attempt fails. timeout bounds the time until the response header.
func (t *Transfer) try(to *backend.Address, timeout time.Duration) {
	in := t.In
	a := t.newAttempt()
	a.to = to
	a.context.Init(in.Context())
	defer a.context.Cancel(nil)
	a.idleTimer.Start(t.forwarder.wheel, a, timeout)
	defer a.idleTimer.Stop()

	a.grantUpgrade()
	a.hooks.BodyAwaited = a
	if a.goesDirect() {
		a.hooks.Fields = a
	}
	out := in.WithContext(transport.WithHooks(&a.context, &a.hooks))
	out.Header = nil // eachField produces it
	if in.ContentLength != 0 {
		t.prepareBody(out)
	}
	t.backend.proxy.ServeHTTP(&t.answer, out)
}

// prepareBody makes the client's body pass through the Transfer.
func (t *Transfer) prepareBody(out *http.Request) {
	control := http.NewResponseController(t.answer.ResponseWriter)
	if t.In.ProtoMajor == 1 {
		// The answer may begin before the request has ended. Over HTTP/2 this is
		// always possible.
		_ = control.EnableFullDuplex()
	}
	if t.body == nil {
		t.body = newClientBody(t, control)
	}
	t.body.idleTimer.Store(&t.attempt.idleTimer)
	out.Body = t.body
	if !t.backend.lean { // http1/transport never sends a body twice
		if t.replay != nil {
			t.replay.release()
		}
		t.replay = &replayBody{source: t.body, budget: &t.forwarder.replays}
		out.Body, out.GetBody = t.replay.firstAttempt(), t.getBody
	}
}

// Metrics receive the counts of a Backend. Implementations must be safe for concurrent
// use.
type Metrics interface {
	// Backend is called with whether the backend was reachable just now.
	Backend(up bool)
	// ResponseHeader is called when the backend has sent its response header, with the
	// time since the gateway began to forward the request. It is called once for each
	// attempt.
	ResponseHeader(after time.Duration)
	// Received is called with the number of bytes of a request body that were read, at
	// the end of the request, and with the number of bytes just read from a client on
	// an upgraded connection.
	Received(bytes int64)
	// Sent is called with the number of bytes just sent to a client on an upgraded
	// connection.
	Sent(bytes int64)
	// Mirrored is called with what became of a copy of a request.
	Mirrored(result MirrorResult)
}

// BackendOptions configure a Backend.
type BackendOptions struct {
	Route     *config.Route
	Gate      *auth.Gate // reports when the user of a stream loses access
	Headers   *HeaderPolicy
	Metrics   Metrics
	Transport http.RoundTripper
	Buffers   httputil.BufferPool
	Rewrite   *rewrite.Path // nil without `rewrite`
	Back      *rewrite.Back // nil when no address in an answer is mapped back
	CORS      bool          // the gateway, not the backend, sets the CORS headers
	// URL is that of the backend's only server, or of any of its servers.
	URL *url.URL
	// Servers chooses a server for each attempt. It is nil for a backend without a name,
	// whose only server is in URL.
	Servers *backend.Backend
	Mirror  *Mirror // nil without `mirror`
}

// Backend is how one route forwards its requests to one backend. It never changes.
type Backend struct {
	config  *config.Route
	rule    auth.Rule
	gate    *auth.Gate
	policy  *HeaderPolicy
	metrics Metrics
	proxy   *httputil.ReverseProxy
	changes *headers.Rules // of request_headers; nil without
	answers *headers.Rules // of the route's response_headers; nil without
	cors    bool           // see BackendOptions.CORS
	lean    bool           // the transport is of package http1/transport
	direct  bool           // that transport may write the fields of most requests itself; see goesDirect
	base    string         // path that is put before the path of a request; mostly ""

	address backend.Address  // of the only server; with servers, of any of them
	servers *backend.Backend // nil for a backend without a name
	mirror  *Mirror          // nil without `mirror`

	rewritten *rewrite.Path // nil without `rewrite`
	back      *rewrite.Back // nil when no address in an answer is mapped back
}

// discardLog is the ErrorLog of httputil.ReverseProxy. httputil logs errors that the
// ErrorHandler gets too, and answers that it cuts off. The access line has both,
// with the request id.
var discardLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)

// Route returns the route as it forwards to this backend.
func (b *Backend) Route() *config.Route { return b.config }

// NewBackend returns the Backend of a route.
func NewBackend(o BackendOptions) *Backend {
	b := &Backend{
		config: o.Route, rule: auth.RuleOf(o.Route), gate: o.Gate, policy: o.Headers, metrics: o.Metrics, cors: o.CORS,
		rewritten: o.Rewrite, back: o.Back, changes: o.Headers.Changes(o.Route.RequestHeaders), answers: o.Headers.Changes(o.Route.ResponseHeaders),
		base: strings.TrimSuffix(o.URL.EscapedPath(), "/"), address: backend.AddressOf(o.URL), servers: o.Servers, mirror: o.Mirror,
	}
	_, b.lean = o.Transport.(*transport.Transport)
	b.direct = b.lean && (b.changes == nil || !b.changes.Sends(specialFields[:]...))
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
