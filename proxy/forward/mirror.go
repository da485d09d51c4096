package forward

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"gatehouse/proxy/backend"
)

// This file sends copies of requests to another backend. The answers are thrown away. The
// client's request neither waits for its copy nor fails with it.

const (
	// maxMirrored is the size of the largest body that is copied, in bytes.
	maxMirrored = 1 << 20
	// mirroredBytes bounds the bodies of all copies of a route together, in bytes.
	mirroredBytes = 16 << 20
	// copiesAtOnce bounds the copies of a route in flight. Further ones are not made.
	copiesAtOnce = 128
	// mirrorTimeout bounds a copy when the route has no timeout.
	mirrorTimeout = time.Minute
)

// MirrorResult is the outcome of the copy of a request, for metrics.
type MirrorResult int

// The results of copies.
const (
	MirrorSent       MirrorResult = iota // the other backend has answered, whatever the status
	MirrorFailed                         // it has not, or the request cannot be sent to it
	MirrorBusy                           // not made: too many copies are in flight, or too much memory is in use
	MirrorTooLarge                       // not made: the body is too large
	MirrorIncomplete                     // not sent: the body did not arrive completely
	MirrorResults                        // the number of results
)

// String returns the name of the result in metrics.
func (r MirrorResult) String() string {
	return [MirrorResults]string{"sent", "failed", "busy", "too_large", "incomplete"}[r]
}

// Mirror sends copies of a share of a route's requests to a backend.
type Mirror struct {
	to       *Backend
	share    float64 // of the requests, from 0 to 1
	inFlight atomic.Int64
	bytes    atomic.Int64 // of the bodies that are kept
}

// NewMirror returns a Mirror for a percentage of the requests. to forwards as the route
// does, to the other backend.
func NewMirror(to *Backend, percent float64) *Mirror { return &Mirror{to: to, share: percent / 100} }

// mirrored is the copy of one request.
type mirrored struct {
	mirror  *Mirror
	request *http.Request
	body    bytes.Buffer
	dropped bool
}

// begin returns the copy of a request, or nil when the request is not copied. A copy without
// a body is sent at once; any other one is sent when its body is complete.
func (m *Mirror) begin(t *Transfer) *mirrored {
	if m.share < 1 && rand.Float64() >= m.share {
		return nil
	}
	in := t.In
	if len(in.Header["Upgrade"]) > 0 {
		return nil
	}
	if in.ContentLength > maxMirrored {
		m.count(MirrorTooLarge)
		return nil
	}
	if m.inFlight.Add(1) > copiesAtOnce {
		m.inFlight.Add(-1)
		m.count(MirrorBusy)
		return nil
	}
	out, refusal := m.to.Preview(t.Facts)
	if refusal != nil {
		m.inFlight.Add(-1)
		m.count(MirrorFailed)
		return nil
	}
	out.Header = out.Header.Clone() // the client's header may be reused when its request has ended
	if cookies := out.Header["Cookie"]; len(cookies) > 0 && t.backend.servers != nil {
		if out.Header["Cookie"] = t.backend.withoutSticky(cookies); len(out.Header["Cookie"]) == 0 {
			delete(out.Header, "Cookie")
		}
	}
	out.Header["X-Mirrored"] = []string{"1"}
	delete(out.Header, "Expect") // the body of a copy is there
	out.Trailer = nil
	c := &mirrored{mirror: m, request: out}
	if in.ContentLength == 0 {
		c.send()
		return nil
	}
	return c
}

// count counts a copy.
func (m *Mirror) count(r MirrorResult) { m.to.metrics.Mirrored(r) }

// write keeps a part of the body.
func (c *mirrored) write(p []byte) {
	if c.dropped || len(p) == 0 {
		return
	}
	if c.body.Len()+len(p) > maxMirrored {
		c.drop(MirrorTooLarge)
		return
	}
	if c.mirror.bytes.Add(int64(len(p))) > mirroredBytes {
		c.mirror.bytes.Add(-int64(len(p)))
		c.drop(MirrorBusy)
		return
	}
	_, _ = c.body.Write(p)
}

// drop gives up a copy that was not sent.
func (c *mirrored) drop(why MirrorResult) {
	if c.dropped {
		return
	}
	c.dropped = true
	c.mirror.count(why)
	c.mirror.bytes.Add(-int64(c.body.Len()))
	c.body = bytes.Buffer{}
	c.mirror.inFlight.Add(-1)
}

// send sends the copy on a goroutine of its own. The body is complete.
func (c *mirrored) send() {
	if c.dropped {
		return
	}
	c.dropped = true // from now on, it releases what it has by itself
	go func() {
		m := c.mirror
		defer m.inFlight.Add(-1)
		defer m.bytes.Add(-int64(c.body.Len()))
		limit := m.to.config.Timeout
		if limit == 0 {
			limit = mirrorTimeout
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		r := c.request.WithContext(ctx)
		r.Body, r.ContentLength, r.GetBody = nil, int64(c.body.Len()), nil
		if r.ContentLength > 0 {
			r.Body = io.NopCloser(bytes.NewReader(c.body.Bytes()))
		}
		m.count(m.to.sendCopy(r))
	}()
}

// sendCopy sends a request to a server of the backend, and throws its answer away.
func (b *Backend) sendCopy(r *http.Request) MirrorResult {
	if b.servers == nil {
		return discardAnswer(b.proxy.Transport.RoundTrip(r))
	}
	server := b.servers.Pick(backend.Choice{})
	if server == nil {
		return MirrorFailed
	}
	server.Begin()
	defer server.End()
	at := *r.URL
	at.Scheme, at.Host = server.Address.Scheme, server.Address.Host
	r.URL = &at
	if !b.config.PreserveHost {
		r.Host = server.Address.Name
	}
	return discardAnswer(b.proxy.Transport.RoundTrip(r))
}

// discardAnswer reads a part of an answer, so that its connection can be used again.
func discardAnswer(res *http.Response, err error) MirrorResult {
	if err != nil {
		return MirrorFailed
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxMirrored)
	_ = res.Body.Close()
	return MirrorSent
}
