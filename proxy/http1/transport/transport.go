package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"gatehouse/proxy/http1/socket"
	"gatehouse/proxy/http1/wire"
)

// maxBody is the size of the largest request body that is sent here, in bytes: one
// that fits into the buffers of the two sockets, even if the backend does not read it.
const maxBody = 64 << 10

// Options configure a Transport.
type Options struct {
	// Dial opens a connection, as net.Dialer.DialContext does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Standard sends the requests that are not eligible. New replaces its DialContext;
	// it must have no MaxConnsPerHost.
	Standard *http.Transport
	// Around, if not nil, is called once and returns what requests for Standard go
	// through.
	Around func(*http.Transport) RoundTripCloser
	// MaxConns bounds the connections to one backend, including those of Standard,
	// which then keeps none for reuse. Further requests wait. 0 means no bound.
	MaxConns int
	// MaxIdle bounds the idle connections to one backend; 0 keeps none.
	MaxIdle int
	// IdleTimeout is how long an idle connection is kept; 0 means no bound.
	IdleTimeout time.Duration
	// MaxAge is the age at which a connection takes no more requests, some up to a
	// fifth earlier; 0 means no bound. Around bounds that of Standard's connections.
	MaxAge time.Duration
	// MaxHeaderBytes bounds the head of a response, and each 1xx head before it.
	MaxHeaderBytes int64
}

// RoundTripCloser is an http.RoundTripper whose idle connections can be closed.
type RoundTripCloser interface {
	http.RoundTripper
	CloseIdleConnections()
}

// Transport is an http.RoundTripper. As http.Transport does, it closes the connection
// when the request's context ends, never takes the rest of one response for the next,
// and sends a request again only if that is safe.
type Transport struct {
	standard RoundTripCloser
	pools    pools
}

// New makes a Transport without connections.
func New(o Options) *Transport {
	t := &Transport{standard: o.Standard}
	t.pools.init(o)
	if o.MaxHeaderBytes <= 0 {
		t.pools.options.MaxHeaderBytes = 10 << 20 // as in net/http
	}
	o.Standard.DialContext = t.pools.dialStandard
	if o.MaxConns > 0 {
		o.Standard.MaxIdleConnsPerHost = -1
	}
	if o.Around != nil {
		t.standard = o.Around(o.Standard)
	}
	return t
}

// CloseIdleConnections closes the idle connections, and those that become idle until
// the next request. Requests under way go on.
func (t *Transport) CloseIdleConnections() {
	t.pools.closeIdle()
	t.standard.CloseIdleConnections()
}

// CloseIdleTo closes the idle connections to one server.
func (t *Transport) CloseIdleTo(scheme, host string) {
	if to := address(&http.Request{URL: &url.URL{Scheme: scheme, Host: host}}); scheme == "http" {
		t.pools.closeIdleAt(to)
	}
	if closer, ok := t.standard.(interface{ CloseIdleTo(scheme, host string) }); ok {
		closer.CloseIdleTo(scheme, host)
	}
}

// RoundTrip implements http.RoundTripper. It returns the error of the dial or of the
// connection, or the cause of the context's end.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if fields := hooksOf(r.Context()).Fields; fields != nil {
		buffer := t.pools.buffers.Get().(*[copyBuffer]byte)
		defer t.pools.buffers.Put(buffer)
		if head, ok := appendHead(buffer[:0], r, fields); ok {
			return t.send(r, head)
		}
		r = r.WithContext(r.Context())
		r.Header = fields.AsHeader()
	}
	if !isEligible(r) {
		return t.standard.RoundTrip(t.pools.withRequestContext(r))
	}
	return t.send(r, nil)
}

// send sends the request, with one retry. head is the formatted head, or nil.
func (t *Transport) send(r *http.Request, head []byte) (*http.Response, error) {
	res, retry, err := t.attempt(r, head, false)
	if retry {
		res, _, err = t.attempt(r, head, true)
	}
	return res, err
}

// AppendField appends one of the Fields. It reports false when the field cannot be
// written as it is.
func AppendField(to []byte, name string, values []string) (with []byte, ok bool) {
	return wire.AppendRequestField(to, name, values)
}

// appendHead appends the head of a request. It reports false when the request is not
// eligible.
func appendHead(to []byte, r *http.Request, fields Fields) (head []byte, ok bool) {
	if hasBody(r) || !isEligible(r) {
		return to, false
	}
	if to, ok = wire.AppendTarget(to, r); ok {
		to, ok = fields.AppendFields(to)
	}
	return append(to, "\r\n"...), ok
}

// attempt sends the request once. It reports retry when a reused connection was found
// closed, and nothing was sent or the request may be sent twice: a backend may close a
// connection at the moment when it is used again.
func (t *Transport) attempt(r *http.Request, head []byte, fresh bool) (_ *http.Response, retry bool, err error) {
	ctx := r.Context()
	c, err := t.pools.get(ctx, address(r), fresh)
	if err != nil {
		closeBody(r)
		if ctxErr := context.Cause(ctx); ctxErr != nil && !errors.Is(err, ctxErr) {
			err = fmt.Errorf("%w: %w", ctxErr, err) // callers look for the error of the dial
		}
		return nil, false, err
	}
	res, err := c.exchange(r, head)
	if err == nil {
		return res, false, nil
	}
	c.discard()
	ctxErr := context.Cause(ctx)
	var noResponse *noResponseError
	if c.reused && isTimeout(ctxErr) && errors.As(err, &noResponse) {
		// Other idle connections may be dead, too, and each would cost a request.
		t.pools.closeIdleOf(c.pool)
	}
	retry = ctxErr == nil && !fresh && c.reused && errors.As(err, &noResponse) && (!noResponse.sent || isReplayable(r))
	if !retry && c.sent == nil { // else sendBody closes it
		closeBody(r)
	}
	return nil, retry, cmp.Or(ctxErr, err)
}

// isTimeout reports whether the context ended because of a timeout.
func isTimeout(cause error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(cause, &timeout) && timeout.Timeout()
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// causeOr returns the cause of the context's end, or err.
func causeOr(ctx context.Context, err error) error { return cmp.Or(context.Cause(ctx), err) }

// isEligible reports whether a request can be sent here.
func isEligible(r *http.Request) bool {
	if !socket.Supported || r.URL == nil || r.URL.Scheme != "http" || r.URL.Host == "" || r.Header == nil {
		return false
	}
	if !httpguts.ValidHeaderFieldName(cmp.Or(r.Method, http.MethodGet)) { // a method is a token, as a field name is
		return false
	}
	if r.Method == http.MethodConnect || len(r.Header["Upgrade"]) > 0 || len(r.Header["Expect"]) > 0 {
		return false
	}
	if hasBody(r) && (r.ContentLength <= 0 || r.ContentLength > maxBody) || len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 {
		return false
	}
	return isASCII(r.URL.Host) && wire.IsWritable(r.Header) // else the standard transport returns the error
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// isReplayable reports whether a request may be sent again although the backend may
// have acted on it (RFC 9110 section 9.2.2). As in net/http, it has no body, and a
// safe method or a header that says it is idempotent.
func isReplayable(r *http.Request) bool {
	if hasBody(r) {
		return false
	}
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return len(r.Header["Idempotency-Key"]) > 0 || len(r.Header["X-Idempotency-Key"]) > 0
}

// address returns the host and port to dial; the default port is 80.
func address(r *http.Request) string {
	host := r.URL.Host
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		if colon < len(host)-1 {
			return host
		}
		host = host[:colon] // "host:" has no port either
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "80")
}
