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

// The phases of a client's connection: they decide whether it may be closed without
// losing a request.
const (
	phaseNew      = iota // nothing was read yet; over TLS: no request
	phaseBusy            // a request is being read or answered
	phaseIdle            // between two requests
	phaseClosing         // asked to close, as it was new or idle for too long
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
func (c *Conn) Idle() { c.phase.set(phaseIdle, c.wheel.Now()) }

// ConnState is the ConnState of the http.Server that serves a Listener. It follows
// what that does with its connections; http1/server calls Idle by itself.
func (l *Listener) ConnState(conn net.Conn, state http.ConnState) {
	overTLS, encrypted := conn.(*tls.Conn)
	if encrypted {
		conn = overTLS.NetConn()
	}
	c, ok := conn.(*Conn)
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

// ServesHTTP2 is called when a connection speaks HTTP/2, which ends by GOAWAY.
func (*Listener) ServesHTTP2(conn *tls.Conn) {
	if c, ok := conn.NetConn().(*Conn); ok {
		c.phase.set(phaseDetached, 0)
	}
}

// afterRead is the end of a Read. A connection that had no request has one as soon as
// something was read. One whose deadline has passed is read once more before it ends:
// what has arrived meanwhile is a request, and is answered.
func (c *Conn) afterRead(p []byte, n int, err error) (int, error) {
	word, phase, _ := c.phase.get()
	if phase == phaseBusy || phase == phaseDetached {
		return n, err
	}
	if n == 0 && (phase == phaseClosing || phase == phaseIdle) && errors.Is(err, os.ErrDeadlineExceeded) {
		// Over TLS the server has to send its close_notify, so it closes by itself.
		n, _ = c.socket.ReadOrCloseWrite(p, !c.encrypted.Load())
	}
	if n == 0 {
		return 0, err
	}
	begun := phaseWord(phaseBusy, 0)
	if phase == phaseNew && c.encrypted.Load() { // perhaps a part of the handshake
		begun = phaseWord(phaseNew, c.wheel.Now())
	}
	if phase == phaseClosing || err != nil || !c.phase.word.CompareAndSwap(word, begun) {
		c.cancelClose()
	}
	return n, nil
}

// askToClose makes a connection end, unless it has begun with a request since word was
// its phase.
func (c *Conn) askToClose(word int64) {
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

// cancelClose undoes askToClose for a connection on which something was read.
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

// headGrace is how long a connection that was about to end may take for the rest
// of a head. Its server sets the bound for a body itself.
const headGrace = 10 * time.Second
