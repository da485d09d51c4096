package proxy

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

// The phases of a client's connection, as far as they decide whether it may be
// closed without losing a request.
const (
	phaseNew      = iota // nothing was read yet; over TLS: no request
	phaseBusy            // a request is being read or answered
	phaseIdle            // between two requests
	phaseClosing         // to end, as it was new or idle for too long
	phaseDetached        // HTTP/2 or upgraded: it ends in another way
)

// connPhase is a phase and the tick in which it began, in one word.
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
func (c *clientConn) Idle() { c.phase.set(phaseIdle, c.wheel.Now()) }

// ConnState is for http.Server: it tells the listener what net/http's server
// does with a connection of its own. The front tells by itself.
func (l *Listener) ConnState(conn net.Conn, state http.ConnState) {
	overTLS, encrypted := conn.(*tls.Conn)
	if encrypted {
		conn = overTLS.NetConn()
	}
	c, ok := conn.(*clientConn)
	if !ok {
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

// ServesHTTP2 tells the listener that a connection speaks HTTP/2, which ends by
// GOAWAY.
func (*Listener) ServesHTTP2(conn *tls.Conn) {
	if c, ok := conn.NetConn().(*clientConn); ok {
		c.phase.set(phaseDetached, 0)
	}
}

// afterRead is the end of a Read. A connection without a request that was read
// from has one from now on. One whose deadline has passed is looked at once
// more before it ends: what came in the meantime is a request, and is answered.
func (c *clientConn) afterRead(p []byte, n int, err error) (int, error) {
	word, phase, _ := c.phase.get()
	if phase == phaseBusy || phase == phaseDetached {
		return n, err
	}
	if n == 0 && (phase == phaseClosing || phase == phaseIdle) && errors.Is(err, os.ErrDeadlineExceeded) {
		// Over TLS the server has yet to say goodbye, so it closes by itself.
		n, _ = c.socket.ReadOrCloseWrite(p, !c.encrypted.Load())
	}
	if n == 0 {
		return 0, err
	}
	begun := phaseWord(phaseBusy, 0)
	if phase == phaseNew && c.encrypted.Load() { // of the handshake, perhaps
		begun = phaseWord(phaseNew, c.wheel.Now())
	}
	if phase == phaseClosing || err != nil || !c.phase.word.CompareAndSwap(word, begun) {
		c.cancelClose()
	}
	return n, nil
}

// askToClose has a connection end that is in a phase since a tick, unless it has begun
// with a request by then.
func (c *clientConn) askToClose(word int64) {
	c.reading.Lock()
	defer c.reading.Unlock()
	_, phase, _ := c.phase.get()
	if phase != phaseClosing {
		c.closingNew = phase == phaseNew && c.encrypted.Load()
		if !c.phase.word.CompareAndSwap(word, phaseWord(phaseClosing, 0)) {
			return
		}
	}
	c.socketDeadline = true
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// cancelClose keeps a connection open that was about to end, and has sent something.
func (c *clientConn) cancelClose() {
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

// headGrace is how long a connection that was about to end may take for the rest
// of what it has begun to send. Its server sets the bound for a body itself.
const headGrace = 10 * time.Second
