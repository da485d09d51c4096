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

// How long a backend over HTTP/2 may say nothing at all while requests wait,
// before new ones get another connection.
const (
	defaultSilence = 5 * time.Second
	longestSilence = time.Minute // after false alarms
	// failedSilence is the same once a request has ended without an answer: net/http resets
	// it together with a ping, so a living backend says something at once.
	failedSilence = time.Second
)

// jitter is the part of the age by which connections may end earlier, so that
// they do not end at the same moment in every replica.
const jitter = 0.2

// ErrNothingHeard marks the error of a request that ended without an answer, where
// the backend has answered nothing since it was first connected to.
var ErrNothingHeard = errors.New("the backend has answered nothing on this connection or others")

// Options say how backends are reached.
type Options struct {
	// Transport is cloned for each backend, and not used itself.
	Transport *http.Transport
	// MaxAge is how long a connection is given new requests; 0 is for ever.
	MaxAge time.Duration
	// Silence is how long a backend over HTTP/2 may say nothing while requests
	// wait; 0 is 5 seconds.
	Silence time.Duration
}

// Transport is an http.RoundTripper. The errors wrap those of
// http.Transport.
type Transport struct {
	options Options

	mu       sync.RWMutex
	backends map[address]*backend
}

// address is what has connections of its own. Requests to upgrade do: they need
// HTTP/1.1, and what comes on their connections says nothing of an HTTP/2 one.
type address struct {
	scheme, host string
	upgrade      bool
}

// backend is what is known of one address.
type backend struct {
	http2 atomic.Bool // it answers over HTTP/2

	mu      sync.Mutex
	current *generation   // nil where the next request makes one
	silence time.Duration // grows with false alarms
}

// New makes a Transport without connections.
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
			// What became of this connection while it waited may have become of others,
			// or each of them would cost a request.
			g.transport.CloseIdleConnections()
		}
		if !g.answered.Load() {
			err = fmt.Errorf("%w: %w", err, ErrNothingHeard)
		}
	}
	return nil, err
}

// CloseIdleConnections closes what waits for a request. What is in use is closed
// when it is no more.
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

// generation finds the http.Transport for a URL, or makes one.
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
		b.current = newGeneration(b, t.options.Transport)
		if age := t.options.MaxAge; age > 0 {
			age -= time.Duration(rand.Float64() * jitter * float64(age))
			b.current.age = time.AfterFunc(age, func() { t.expire(at, b, age) })
		}
	}
	return b.current
}

// expire gives up what has reached its age, and forgets an address to which
// nothing is sent for as long again.
func (t *Transport) expire(at address, b *backend, age time.Duration) {
	b.mu.Lock()
	old := b.current
	b.mu.Unlock()
	if old == nil { // given up for another reason just now
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

// allowLongerSilence lets a backend be silent for longer from now on.
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
