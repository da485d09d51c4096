package listener

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"gatehouse/internal/timerwheel"
)

// The phases of a client's connection. They decide whether the connection may be closed
// without losing a request.
const (
	phaseNew      = iota // nothing has been read yet; over TLS, no request
	phaseBusy            // a request is being read or answered
	phaseIdle            // between two requests
	phaseClosing         // asked to close, after it was new or idle for too long
	phaseDetached        // HTTP/2 or upgraded; Drain does not close it
)

// connPhase is a phase and the tick at which it began, in one word.
type connPhase struct{ word atomic.Int64 }

const phaseBits = 3

func (p *connPhase) set(phase int, since timerwheel.Ticks) { p.word.Store(phaseWord(phase, since)) }

func phaseWord(phase int, since timerwheel.Ticks) int64 {
	return int64(since)<<phaseBits | int64(phase)
}

func (p *connPhase) get() (word int64, phase int, since timerwheel.Ticks) {
	word = p.word.Load()
	return word, int(word & (1<<phaseBits - 1)), timerwheel.Ticks(word >> phaseBits)
}

// Idle implements server.Conn.
func (c *Conn) Idle() { c.phase.set(phaseIdle, c.wheel.Now()) }

// ConnState is the ConnState of an http.Server that serves Listeners. It sets the phase
// of the connection. http1/server calls Idle itself.
func ConnState(conn net.Conn, state http.ConnState) {
	encrypted := true
	var c *Conn
	switch of := conn.(type) {
	case *tlsConn:
		c = of.under
		of.answers.setState(state)
	case *tls.Conn: // HTTP/2, or a server that begins the handshake itself
		c, _ = of.NetConn().(*Conn)
	case *Conn:
		c, encrypted = of, false
		of.answers.setState(state)
	}
	if c == nil {
		return
	}
	switch state {
	case http.StateNew:
		c.encrypted.Store(encrypted)
	case http.StateActive:
		c.phase.set(phaseBusy, 0)
	case http.StateIdle:
		c.Idle()
	case http.StateHijacked:
		c.phase.set(phaseDetached, 0)
	case http.StateClosed:
	}
}

// ServesHTTP2 is called when a connection uses HTTP/2. GOAWAY ends such a connection.
// net/http passes a connection without TLS inside a tls.Conn that is not used.
func ServesHTTP2(conn *tls.Conn) {
	inner := conn.NetConn()
	if without, ok := inner.(interface{ UnencryptedNetConn() net.Conn }); ok {
		inner = without.UnencryptedNetConn()
	}
	if c, ok := inner.(*Conn); ok {
		c.answers.setState(http.StateHijacked)
		c.phase.set(phaseDetached, 0)
	}
}

// afterRead returns the result of a Read, and sets the phase. A connection without a
// request becomes busy as soon as bytes are read. When the deadline of an idle connection
// has passed, afterRead reads once more: a request that has just arrived is answered.
func (c *Conn) afterRead(p []byte, n int, err error) (int, error) {
	word, phase, _ := c.phase.get()
	if phase == phaseBusy || phase == phaseDetached {
		return n, err
	}
	if n == 0 && (phase == phaseClosing || phase == phaseIdle) && errors.Is(err, os.ErrDeadlineExceeded) {
		// Over TLS the server must send its close_notify, so it closes the connection.
		n, _ = c.socket.ReadOrCloseWrite(p, !c.encrypted.Load())
	}
	if n == 0 {
		return 0, err
	}
	begun := phaseWord(phaseBusy, 0)
	if phase == phaseNew && c.isBeforeRequest() {
		begun = phaseWord(phaseNew, c.wheel.Now())
	}
	if phase == phaseClosing || err != nil || !c.phase.word.CompareAndSwap(word, begun) {
		c.cancelClose()
	}
	return n, nil
}

// isBeforeRequest reports whether the bytes of a new connection may come before a request: a
// TLS handshake, or a PROXY header.
func (c *Conn) isBeforeRequest() bool { return c.encrypted.Load() || c.beginning.Load() }

// askToClose makes a connection close, unless its phase is no longer word because a
// request has begun.
func (c *Conn) askToClose(word int64) {
	c.reading.Lock()
	defer c.reading.Unlock()
	_, phase, _ := c.phase.get()
	if phase != phaseClosing {
		c.closingNew = phase == phaseNew && c.isBeforeRequest()
		if !c.phase.word.CompareAndSwap(word, phaseWord(phaseClosing, 0)) {
			return
		}
	}
	c.socketDeadline = true
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// cancelClose reverts askToClose after bytes were read from the connection.
func (c *Conn) cancelClose() {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.socketDeadline = false; c.readDeadline == 0 {
		c.readDeadline = c.wheel.Now() + timerwheel.TicksIn(headGrace)
	}
	_ = c.Conn.SetReadDeadline(time.Time{})
	if c.closingNew {
		c.closingNew = false
		c.phase.set(phaseNew, c.wheel.Now())
		return
	}
	c.phase.set(phaseBusy, 0)
}

// headGrace is how long the client may take to send the rest of a head after cancelClose.
// The server sets the time limit for a body.
const headGrace = 10 * time.Second
