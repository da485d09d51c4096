package proxy

import (
	"context"
	"time"

	"gatehouse/proxy/socket"
)

// Bounds on the end of a listener.
const (
	// idleGrace is how long a connection has to be idle before it is closed, so
	// that a client that is at work does not send its next request meanwhile.
	idleGrace = time.Second
	// newConnGrace is how long a new connection may take to send its first
	// request, as in net/http.
	newConnGrace = 5 * time.Second
	// quietQueue is how long nobody may have come before the socket is closed.
	// Handshakes that have begun end in that time.
	quietQueue = 100 * time.Millisecond
	// The pauses between two looks at what is left.
	firstLook = time.Millisecond
	lastLook  = 25 * time.Millisecond
)

// Drain ends the listener without losing a request, as far as TCP allows it.
//
//   - Connections are refused at their first packet, those that wait to be
//     accepted are served, and then the socket is closed.
//   - A connection that is busy ends by its next answer; see Gateway.Drain.
//   - One that is idle is closed when it has been so for a moment and there is
//     nothing in its socket. What comes after that look crosses the close.
//
// It returns when all connections have ended, but for upgraded ones and those of
// HTTP/2, or with the context's error. Answers of http.Server need its
// ConnState to be the listener's.
func (l *Listener) Drain(ctx context.Context) error {
	grace := idleGrace
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(deadline)/4)
	}
	refusing := socket.RefuseNew(l.Listener) == nil
	accepting, quietSince := true, time.Now()
	pause := firstLook
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		if accepting {
			switch waiting, err := socket.HasWaiting(l.Listener); {
			case waiting && err == nil:
				quietSince = time.Now()
			case err != nil, !refusing, time.Since(quietSince) >= quietQueue:
				accepting = false
				if err := l.endAccepting(ctx); err != nil {
					return err
				}
			}
		}
		if l.endIdle(grace) == 0 && !accepting {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			pause = min(2*pause, lastLook)
			timer.Reset(pause)
		}
	}
}

// endAccepting closes the socket, and waits until what was accepted is known.
func (l *Listener) endAccepting(ctx context.Context) error {
	l.mu.Lock()
	l.drained = true
	l.mu.Unlock()
	_ = l.Listener.Close()
	return l.wait(ctx)
}

// endIdle asks connections that have been without a request for so long to end.
// It gives the number of those that are left.
func (l *Listener) endIdle(grace time.Duration) (left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		word, phase, since := c.phase.get()
		silent := time.Duration(c.wheel.now()-since) * tickLength
		switch phase {
		case phaseApart:
			continue
		case phaseAsked:
			c.ask(word) // again: its server may have set another deadline
		case phaseIdle:
			if silent > grace {
				c.ask(word)
			}
		case phaseNew:
			if silent > newConnGrace {
				c.ask(word)
			}
		}
		left++
	}
	return left
}
