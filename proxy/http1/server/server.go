// Package server serves clients' connections: the plain requests itself, on one
// goroutine from the first byte to the last, and all others through net/http's
// server, which gets the connection with whatever was read of it.
//
//	accept ─▶ read a head ─▶ plain? ─ yes ─▶ handler ─▶ answer ─▶ read a head …
//	                           └────── no ─▶ net/http, for the rest of the connection
//
// What is plain says package wire. Malformed, unusual and old requests are not;
// net/http alone decides what becomes of them, and answers.
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

// Conn is a connection that takes back what was read of it.
type Conn interface {
	net.Conn
	// Unread has the next Read give a copy of data.
	Unread(data []byte)
	// Idle is called when a request was answered and nothing of the next one
	// has been read.
	Idle()
	// Waited tells whether the last Read found nothing at first.
	Waited() bool
	// WatchDisconnect has ctx canceled when the client leaves, until
	// UnwatchDisconnect is called. It looks for that from 100 ms on, and does
	// nothing when ctx has ended. Meanwhile nobody else may read.
	WatchDisconnect(ctx *reqctx.Context)
	// UnwatchDisconnect ends what WatchDisconnect has begun, if anything.
	UnwatchDisconnect()
}

// Server serves one listener. Connections that are no Conn are net/http's from
// the start.
type Server struct {
	// HTTP10Coding, when it is not nil, is called with a connection that is passed on
	// at an HTTP/1.0 request with a Transfer-Encoding. net/http's server does not
	// show that header to its handler, and reads the request as one without a body.
	HTTP10Coding func(conn net.Conn)

	standard *http.Server
	draining atomic.Bool
	date     date

	mu       sync.Mutex
	conns    map[*conn]struct{}
	closed   bool
	handoffs chan accepted // to standard
	done     chan struct{} // closed when nothing more is passed
	doneOnce sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

// New makes a server in front of another, whose Handler, ErrorLog, ConnContext,
// MaxHeaderBytes, ReadHeaderTimeout and IdleTimeout are those of the plain
// requests, too; what else it has is for those that are passed on only. The
// context of a request ends when its client leaves and when the handler returns,
// as net/http promises (http.Request.Context).
func New(standard *http.Server) *Server {
	return &Server{
		standard: standard, conns: map[*conn]struct{}{},
		handoffs: make(chan accepted), done: make(chan struct{}),
	}
}

// Serve accepts connections until the listener fails, or Shutdown or Close is
// called: then it gives http.ErrServerClosed.
func (s *Server) Serve(l net.Listener) error {
	handoff := &handoffListener{Listener: l, server: s}
	go handoff.accept()
	return s.standard.Serve(handoff)
}

// handoffListener is the listener of net/http's server: it returns connections that are handed off.
type handoffListener struct {
	net.Listener
	server *Server
}

// accept serves what comes, and leaves the errors to net/http, which knows
// which of them will pass.
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

// handOff passes a connection to net/http. It closes one that came too late.
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

// newConnGrace is how long after its opening a connection that has sent nothing
// yet may still send a request while the server shuts down, as in net/http.
const newConnGrace = 5 * time.Second

// The pauses between two looks at what is left while the server shuts down.
const (
	minPoll = time.Millisecond
	maxPoll = 200 * time.Millisecond
)

// Shutdown ends the server as http.Server.Shutdown does: no new connections,
// idle ones are closed, and the others when they have answered.
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

// closeConns closes those that wait for a request, or all, and gives the number
// of those that are left.
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

// add makes the server know a connection, unless it was closed.
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

// date is the Date of answers (RFC 9110 section 6.6.1), made once a second.
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
