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
	// Handshakes that have begun end in that time, which is a round trip.
	quietQueue = 200 * time.Millisecond
	// busyQueue is how long the queue may be busy, where the kernel cannot be
	// told to refuse: then the socket is closed as soon as nobody waits.
	busyQueue = time.Second
	// The pauses between two looks at what is left.
	firstLook = time.Millisecond
	lastLook  = 25 * time.Millisecond
)

// Drain ends the listener without losing a request, as far as TCP allows it.
//
//   - Connections are refused at their first packet, those that wait to be
//     accepted are served, and then the socket is closed. Where the kernel
//     cannot refuse, all that come are served until there is a pause.
//   - A connection that is busy ends by its next answer; see Gateway.Drain.
//   - One that is idle is closed when it has been so for a moment and there is
//     nothing in its socket. What comes after that look crosses the close.
//
// It returns when all connections have ended, but for upgraded ones and those of
// HTTP/2, or with the context's error. Answers of http.Server need its
// ConnState to be the listener's.
func (l *Listener) Drain(ctx context.Context) error {
	grace, queue := idleGrace, l.newQueueEnd()
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(deadline)/4)
		queue.quiet = min(queue.quiet, time.Until(deadline)/4)
	}
	accepting, pause := true, firstLook
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		if accepting && queue.isEmpty() {
			accepting = false
			if err := l.endAccepting(ctx); err != nil {
				return err
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

// queueEnd is the end of the queue of those that wait to be accepted.
type queueEnd struct {
	listener   *Listener
	refusing   bool // nobody new comes
	began      time.Time
	quiet      time.Duration // see quietQueue
	quietSince time.Time
	came       int64 // until then
}

// newQueueEnd begins the end of the queue: nobody new comes, where the kernel
// can be told so.
func (l *Listener) newQueueEnd() *queueEnd {
	refusing := socket.DropNewConns(l.Listener) == nil
	now := time.Now()
	return &queueEnd{listener: l, refusing: refusing, began: now, quiet: quietQueue, quietSince: now, came: l.came.Load()}
}

// isEmpty reports whether the socket can be closed. Where the queue cannot be
// looked at, it can.
func (q *queueEnd) isEmpty() bool {
	waiting, err := socket.HasPending(q.listener.Listener)
	if err != nil {
		return true
	}
	now := time.Now()
	if came := q.listener.came.Load(); waiting || came != q.came {
		q.came, q.quietSince = came, now
	}
	busy := !q.refusing && now.Sub(q.began) >= busyQueue
	return !waiting && (busy || now.Sub(q.quietSince) >= q.quiet)
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
