package listener

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// This file replaces the answers that net/http's server writes by itself, before any
// handler: to a request that it cannot read, or does not support. They are plain text,
// and nobody else sees them.

// serverAnswers recognizes the answers of net/http's server on one connection. Only that
// server arms it, through ConnState. So the connections that http1/server serves pay for
// a check of a flag.
type serverAnswers struct {
	armed   atomic.Bool // the next write begins an answer
	waiting atomic.Bool // a head is being waited for or read
	begun   atomic.Bool // some of that head has been read
	late    atomic.Bool // the head did not arrive in time, and was answered
}

// setState is called with each state of the connection.
func (a *serverAnswers) setState(state http.ConnState) {
	switch state {
	case http.StateNew, http.StateIdle:
		a.begun.Store(false)
		a.late.Store(false)
		a.waiting.Store(true)
		a.armed.Store(true)
	case http.StateActive: // after the head was read, and before an answer
		a.waiting.Store(false)
		a.armed.Store(true)
	case http.StateHijacked, http.StateClosed:
		a.waiting.Store(false)
		a.armed.Store(false)
	}
}

// instead returns what to write in place of p. ok is false if p is no answer of the
// server itself.
func (a *serverAnswers) instead(c *Conn, p []byte) (answer []byte, ok bool) {
	if !a.armed.Load() {
		return nil, false
	}
	a.armed.Store(false)
	status, reason, ok := serverAnswer(p)
	if !ok || c.listener.options.Answer == nil {
		return nil, false
	}
	if a.late.Load() { // net/http also calls some heads malformed that only ended too early
		return nil, true
	}
	answer = c.listener.options.Answer(c, status, reason)
	return answer, answer != nil
}

// afterRead is called with the result of each read. It returns what to write when the
// head has begun and does not arrive in time, or nil. net/http closes such a connection
// without an answer.
func (a *serverAnswers) afterRead(c *Conn, n int, err error) []byte {
	if !a.waiting.Load() {
		return nil
	}
	if n > 0 {
		a.begun.Store(true)
		return nil
	}
	if !a.begun.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	a.waiting.Store(false)
	a.late.Store(true)
	return c.lateHead()
}

// setReadDeadline is called when the server sets a deadline. net/http removes it when it
// has read a head.
func (a *serverAnswers) setReadDeadline(isZero bool) {
	if isZero && a.waiting.Load() {
		a.waiting.Store(false)
	}
}

// lateHead returns the answer to a client whose head did not arrive in time, or nil.
func (c *Conn) lateHead() []byte {
	if c.listener.options.Answer == nil {
		return nil
	}
	return c.listener.options.Answer(c, http.StatusRequestTimeout, "")
}

// HeadTimeout is the HeadTimeout of the server.Server that serves a Listener. It answers
// a client whose head did not arrive in time.
func HeadTimeout(conn net.Conn) {
	if c, ok := conn.(*Conn); ok {
		if answer := c.lateHead(); answer != nil {
			_, _ = c.Write(answer)
		}
	}
}

// requestID begins the field that all answers of the handler have, and none of the
// server itself. net/http writes it in this spelling.
var requestID = []byte("\r\nX-Request-Id: ")

// serverAnswer returns the status of an answer that net/http's server has written by
// itself, and its reason phrase, which says more than that of the status. ok is false for
// all other bytes.
func serverAnswer(p []byte) (status int, reason string, ok bool) {
	rest, ok := bytes.CutPrefix(p, []byte("HTTP/1.1 "))
	if !ok || len(rest) < 4 || rest[0] != '4' && rest[0] != '5' {
		return 0, "", false
	}
	head, _, whole := bytes.Cut(rest, []byte("\r\n\r\n"))
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	if !whole || len(line) < 4 || bytes.Contains(head, requestID) {
		return 0, "", false
	}
	status, err := strconv.Atoi(string(line[:3]))
	return status, string(bytes.TrimSpace(line[3:])), err == nil
}

// tlsConn is a connection whose TLS handshake is done. It is not a *tls.Conn, so that
// answers of net/http's server pass through it before they are encrypted.
type tlsConn struct {
	*tls.Conn
	under   *Conn
	answers serverAnswers
}

// Write implements net.Conn.
func (c *tlsConn) Write(p []byte) (int, error) {
	answer, ok := c.answers.instead(c.under, p)
	if !ok {
		return c.Conn.Write(p)
	}
	if len(answer) == 0 {
		return len(p), nil
	}
	_, err := c.Conn.Write(answer)
	return len(p), err
}

// Read implements net.Conn.
func (c *tlsConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if answer := c.answers.afterRead(c.under, n, err); answer != nil {
		_, _ = c.Conn.Write(answer)
	}
	return n, err
}

// SetReadDeadline implements net.Conn.
func (c *tlsConn) SetReadDeadline(t time.Time) error {
	c.answers.setReadDeadline(t.IsZero())
	return c.Conn.SetReadDeadline(t)
}
