package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"gatehouse/proxy/http1/socket"
	"gatehouse/proxy/http1/wire"
)

// maxBody is the size of a body, in bytes, that is taken: one that the buffers
// of two sockets hold, whoever reads or does not.
const maxBody = 64 << 10

// Options say how a Transport reaches backends.
type Options struct {
	// Dial opens a connection, as net.Dialer.DialContext does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Standard takes what is not for the lean lane. New makes it dial as the
	// lean lane does; it must have no MaxConnsPerHost of its own.
	Standard *http.Transport
	// Around, if set, is asked once for what requests for Standard go through.
	Around func(*http.Transport) RoundTripCloser
	// MaxConns bounds the connections to one backend, those of Standard
	// included, which keeps none for reuse then: they would be missing here. A
	// request too many waits. 0 is no bound.
	MaxConns int
	// MaxIdle bounds those that are kept for reuse; 0 keeps none.
	MaxIdle int
	// IdleTimeout is how long they are kept; 0 is as long as they are good.
	IdleTimeout time.Duration
	// MaxAge is how old a connection may become before it takes no more requests,
	// some of them a fifth less; 0 is no bound. Those of Standard are Around's.
	MaxAge time.Duration
	// MaxHeaderBytes bounds the head of an answer, each 1xx before it apart.
	MaxHeaderBytes int64
}

// RoundTripCloser is an http.RoundTripper whose connections can be closed.
type RoundTripCloser interface {
	http.RoundTripper
	CloseIdleConnections()
}

// Transport is an http.RoundTripper. It keeps the promises of http.Transport:
// the end of a request's context closes the connection at once, what an answer
// leaves behind never becomes part of the next, and only a request that may be
// sent twice ever is.
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

// CloseIdleConnections closes what waits for a request, and whatever would
// begin to, until the next request. It leaves alone what is in use.
func (t *Transport) CloseIdleConnections() {
	t.pools.closeIdle()
	t.standard.CloseIdleConnections()
}

// RoundTrip implements http.RoundTripper. The errors are those of the dial, of
// the connection, or the cause of the context's end.
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

// send sends the request, whose head may have been written already.
func (t *Transport) send(r *http.Request, head []byte) (*http.Response, error) {
	res, retry, err := t.attempt(r, head, false)
	if retry {
		res, _, err = t.attempt(r, head, true)
	}
	return res, err
}

// AppendField writes one of the Fields. It is not plain when it may not be
// written as it is.
func AppendField(to []byte, name string, values []string) (with []byte, ok bool) {
	return wire.AppendRequestField(to, name, values)
}

// appendHead writes the head of a request for the lean lane.
func appendHead(to []byte, r *http.Request, fields Fields) (head []byte, ok bool) {
	if hasBody(r) || !isEligible(r) {
		return to, false
	}
	if to, ok = wire.AppendTarget(to, r); ok {
		to, ok = fields.AppendFields(to)
	}
	return append(to, "\r\n"...), ok
}

// attempt sends the request once. It asks for another attempt where a
// connection that had waited was found closed, and nothing was sent or the
// request may be sent twice: a backend may close it just when it is used again.
func (t *Transport) attempt(r *http.Request, head []byte, fresh bool) (_ *http.Response, retry bool, err error) {
	ctx := r.Context()
	c, err := t.pools.get(ctx, address(r), fresh)
	if err != nil {
		closeBody(r)
		if ctxErr := context.Cause(ctx); ctxErr != nil && !errors.Is(err, ctxErr) {
			err = fmt.Errorf("%w: %w", ctxErr, err) // that of the dial, which somebody may look for
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
		// What became of this connection while it waited may have become of others,
		// or each of them would cost a request.
		t.pools.closeIdleOf(c.pool)
	}
	retry = ctxErr == nil && !fresh && c.reused && errors.As(err, &noResponse) && (!noResponse.sent || isReplayable(r))
	if !retry && c.sent == nil { // or whoever sends it closes it
		closeBody(r)
	}
	return nil, retry, cmp.Or(ctxErr, err)
}

// isTimeout reports whether a request ended because its time was over.
func isTimeout(cause error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(cause, &timeout) && timeout.Timeout()
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// causeOr prefers to tell that the context has ended over what came of it.
func causeOr(ctx context.Context, err error) error { return cmp.Or(context.Cause(ctx), err) }

// isEligible reports whether a request is for the lean lane.
func isEligible(r *http.Request) bool {
	if !socket.Supported || r.URL == nil || r.URL.Scheme != "http" || r.URL.Host == "" || r.Header == nil {
		return false
	}
	if !httpguts.ValidHeaderFieldName(cmp.Or(r.Method, http.MethodGet)) { // both are tokens
		return false
	}
	if r.Method == http.MethodConnect || len(r.Header["Upgrade"]) > 0 || len(r.Header["Expect"]) > 0 {
		return false
	}
	if hasBody(r) && (r.ContentLength <= 0 || r.ContentLength > maxBody) || len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 {
		return false
	}
	return isASCII(r.URL.Host) && wire.IsWritable(r.Header) // or the standard transport says what is wrong
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

// isReplayable reports whether a request may be sent again although the backend
// may have acted on it (RFC 9110 section 9.2.2). As in net/http, that is one
// with a safe method, or one that its sender says is idempotent, without a body.
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

// address is what to dial: host and port, 80 without one.
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
