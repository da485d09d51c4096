package upstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// How long an HTTP/2 backend may send nothing while requests wait. After that, new
// requests get another connection.
const (
	defaultSilence = 5 * time.Second
	longestSilence = time.Minute // after false alarms
	// failedSilence replaces them after a request has ended without an answer. net/http
	// then resets the stream and sends a ping, which a working backend answers at once.
	failedSilence = time.Second
)

// jitter is the fraction of the maximum age by which connections may end earlier, so
// that they do not end at the same time in all replicas.
const jitter = 0.2

// ErrNothingHeard marks the error of a request that ended without an answer, when the
// backend has never answered since the first connection to it.
var ErrNothingHeard = errors.New("the backend has answered nothing on this connection or others")

// Options configure a Transport.
type Options struct {
	// Transport is cloned for each backend. It is not used itself.
	Transport *http.Transport
	// MaxAge is the age at which a connection gets no more new requests; 0 means no
	// limit.
	MaxAge time.Duration
	// Silence is how long an HTTP/2 backend may send nothing while requests wait; 0
	// means 5 seconds.
	Silence time.Duration
}

// Transport is an http.RoundTripper that retires connections; see the package
// documentation. Its errors wrap those of http.Transport.
type Transport struct {
	options Options

	mu       sync.RWMutex
	backends map[address]*backend
}

// address identifies a backend. Each address has its own connections. Upgrade requests
// have an address of their own: they need HTTP/1.1, and bytes on their connections do
// not show that an HTTP/2 connection works.
type address struct {
	scheme, host string
	upgrade      bool
}

// backend is the state of one address.
type backend struct {
	http2 atomic.Bool // the backend answers over HTTP/2

	mu      sync.Mutex
	current *generation   // nil when the next request makes one
	silence time.Duration // grows with false alarms
}

// New returns a Transport without connections.
func New(o Options) *Transport {
	if o.Silence == 0 {
		o.Silence = defaultSilence
	}
	return &Transport{options: o, backends: map[address]*backend{}}
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	g := t.generation(r.URL, len(r.Header["Upgrade"]) > 0)
	g.beforeRequest()
	r, stop := watchUpload(r)
	defer stop()
	res, err := g.transport.RoundTrip(r)
	if err == nil {
		if !g.answered.Load() {
			g.answered.Store(true)
			g.backend.http2.Store(res.ProtoMajor == 2)
		}
		return res, nil
	}
	if r.Context().Err() != nil {
		g.unanswered()
		if timeout, ok := context.Cause(r.Context()).(interface{ Timeout() bool }); ok && timeout.Timeout() && !g.backend.http2.Load() {
			// The idle connections may be dead, too. Without this, each of them
			// would cost a request.
			g.transport.CloseIdleConnections()
		}
		if !g.answered.Load() {
			err = fmt.Errorf("%w: %w", err, ErrNothingHeard)
		}
	}
	return nil, err
}

// CloseIdleConnections closes idle connections. Connections in use are closed when they
// become idle.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	all := t.backends
	t.backends = map[address]*backend{}
	t.mu.Unlock()
	for _, b := range all {
		b.mu.Lock()
		current := b.current
		b.mu.Unlock()
		if current != nil {
			current.retire()
		}
	}
}

// CloseIdleTo closes the idle connections to one server. Connections in use are closed when
// they become idle.
func (t *Transport) CloseIdleTo(scheme, host string) {
	for _, upgrade := range []bool{false, true} {
		t.mu.Lock()
		at := address{scheme, host, upgrade}
		b := t.backends[at]
		delete(t.backends, at)
		t.mu.Unlock()
		if b == nil {
			continue
		}
		b.mu.Lock()
		current := b.current
		b.mu.Unlock()
		if current != nil {
			current.retire()
		}
	}
}

// generation returns the current generation for a URL. It makes one if there is none.
func (t *Transport) generation(u *url.URL, upgrade bool) *generation {
	at := address{u.Scheme, u.Host, upgrade}
	t.mu.RLock()
	b := t.backends[at]
	t.mu.RUnlock()
	if b == nil {
		t.mu.Lock()
		if b = t.backends[at]; b == nil {
			b = &backend{silence: t.options.Silence}
			if p := t.options.Transport.Protocols; p != nil {
				b.http2.Store(p.UnencryptedHTTP2() && !p.HTTP1())
			}
			t.backends[at] = b
		}
		t.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current == nil {
		b.current = newGeneration(b, t.options.Transport, at)
		if age := t.options.MaxAge; age > 0 {
			age -= time.Duration(rand.Float64() * jitter * float64(age))
			b.current.age = time.AfterFunc(age, func() { t.expire(at, b, age) })
		}
	}
	return b.current
}

// expire retires a generation that has reached its maximum age. It removes the address
// when no request comes for the same time again.
func (t *Transport) expire(at address, b *backend, age time.Duration) {
	b.mu.Lock()
	old := b.current
	b.mu.Unlock()
	if old == nil { // just retired for another reason
		return
	}
	old.retire()
	time.AfterFunc(age, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.current == nil && t.backends[at] == b {
			delete(t.backends, at)
		}
	})
}

// allowLongerSilence doubles the silence that the backend is allowed, up to
// longestSilence. It is called after a false alarm.
func (b *backend) allowLongerSilence() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silence = max(b.silence, min(2*b.silence, longestSilence))
}

func (b *backend) maxSilence() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.silence
}
