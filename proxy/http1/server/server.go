// Package server serves clients' connections. It reads simple requests itself, on one
// goroutine for each connection. At the first request that is not simple, it hands the
// connection to net/http's server, together with the bytes that it has read.
//
//	accept ─▶ read a head ─▶ simple? ─ yes ─▶ handler ─▶ response ─▶ read a head …
//	                            └────── no ─▶ net/http, for the rest of the connection
//
// A request is simple when package wire parses its head. Malformed, unusual and
// HTTP/1.0 requests are not simple: net/http alone decides about them.
package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/reqctx"
)

// Conn is a client's connection. All methods but those of net.Conn are for Server.
type Conn interface {
	net.Conn
	// Begin is called once, before the first Read. It reads what comes before the first
	// request. After an error the connection is closed.
	Begin() error
	// Unread makes the next Read return a copy of data.
	Unread(data []byte)
	// Idle is called when a request has been answered and no byte of the next one has
	// been read.
	Idle()
	// WatchDisconnect cancels ctx when the client disconnects, until UnwatchDisconnect
	// is called. It starts to watch after 100 ms, and does nothing when ctx has ended.
	// No other goroutine may read meanwhile.
	WatchDisconnect(ctx *reqctx.Context)
	// UnwatchDisconnect ends WatchDisconnect, if it was called.
	UnwatchDisconnect()
}

// Server serves one listener. Connections that are not a Conn are served by net/http
// from the start.
type Server struct {
	// HTTP10Head, if not nil, is called with a connection that is handed off at an
	// HTTP/1.0 request, and with whether that has a Transfer-Encoding. net/http hides
	// that field from its handler, and reads the request as one without a body.
	HTTP10Head func(conn net.Conn, coded bool)

	// HeadTimeout, if not nil, is called with a connection whose head has begun and did
	// not arrive in time. It may answer; then the connection is closed.
	HeadTimeout func(conn net.Conn)

	standard *http.Server
	draining atomic.Bool
	date     date

	mu       sync.Mutex
	conns    map[*conn]struct{}
	closed   bool
	handoffs chan accepted // for handoffListener.Accept
	done     chan struct{} // closed when the standard server accepts no more
	doneOnce sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

// New makes a server in front of standard. Simple requests use its Handler, ErrorLog,
// ConnContext, MaxHeaderBytes, ReadHeaderTimeout and IdleTimeout; its other fields are
// for connections that are handed off. The context of a request ends when its client
// leaves and when the handler returns, as net/http promises (http.Request.Context).
func New(standard *http.Server) *Server {
	return &Server{
		standard: standard, conns: map[*conn]struct{}{},
		handoffs: make(chan accepted), done: make(chan struct{}),
	}
}

// Serve accepts connections until the listener fails, or until Shutdown or Close is
// called. Then it returns http.ErrServerClosed.
func (s *Server) Serve(l net.Listener) error {
	handoff := &handoffListener{Listener: l, server: s}
	go handoff.accept()
	return s.standard.Serve(handoff)
}

// handoffListener is the listener of net/http's server. Its Accept returns the
// connections that are handed off.
type handoffListener struct {
	net.Listener
	server *Server
}

// accept accepts and serves connections. It passes errors to net/http, which knows
// which of them are temporary.
func (l *handoffListener) accept() {
	for {
		conn, err := l.Listener.Accept()
		if own, ok := conn.(Conn); ok && err == nil {
			go l.server.serve(own)
		} else if !l.server.handOff(conn, err) {
			return
		}
	}
}

// handOff passes a connection or an error to net/http's server. It reports false, and
// closes the connection, when that server accepts no more.
func (s *Server) handOff(conn net.Conn, err error) bool {
	select {
	case s.handoffs <- accepted{conn, err}:
		return true
	case <-s.done:
		if conn != nil {
			_ = conn.Close()
		}
		return false
	}
}

// Accept implements net.Listener.
func (l *handoffListener) Accept() (net.Conn, error) {
	select {
	case next := <-l.server.handoffs:
		return next.conn, next.err
	case <-l.server.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *handoffListener) Close() error {
	l.server.doneOnce.Do(func() { close(l.server.done) })
	return l.Listener.Close()
}

// newConnGrace is how long a new connection may take to send its first request while
// the server shuts down, as in net/http.
const newConnGrace = 5 * time.Second

// Shutdown polls for connections that have become idle, at intervals that grow
// from minPoll to maxPoll.
const (
	minPoll = time.Millisecond
	maxPoll = 200 * time.Millisecond
)

// Shutdown ends the server as http.Server.Shutdown does: it accepts no new
// connections, closes idle ones, and the others when they have answered.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.closeConns(false)
	if err := s.standard.Shutdown(ctx); err != nil {
		return err
	}
	pause := minPoll
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for s.closeConns(false) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			pause = min(2*pause, maxPoll)
			timer.Reset(pause)
		}
	}
	return nil
}

// Close closes the listener and all connections at once.
func (s *Server) Close() error {
	s.draining.Store(true)
	err := s.standard.Close()
	s.closeConns(true)
	return err
}

// closeConns closes the idle connections, or all, and returns the number of those that
// are left.
func (s *Server) closeConns(all bool) (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = s.closed || all
	for c := range s.conns {
		switch {
		case all || c.mayClose() && c.state.CompareAndSwap(stateIdle, stateClosed):
			_ = c.Close()
		default:
			left++
		}
	}
	return left
}

// add registers a connection. It reports false when the server was closed.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conns[c] = struct{}{}
	}
	return !s.closed
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *Server) log(format string, args ...any) {
	if s.standard.ErrorLog != nil {
		s.standard.ErrorLog.Printf(format, args...)
	}
}

// date formats the Date field (RFC 9110 section 6.6.1) once a second.
type date struct{ last atomic.Pointer[cachedDate] }

type cachedDate struct {
	second int64
	text   string
}

func (d *date) text(now time.Time) string {
	last := d.last.Load()
	if last == nil || last.second != now.Unix() {
		last = &cachedDate{now.Unix(), now.UTC().Format(http.TimeFormat)}
		d.last.Store(last)
	}
	return last.text
}
