package listener

import (
	"context"
	"time"

	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/http1/socket"
)

// Bounds on the end of a listener.
const (
	// idleGrace is how long a connection has to be idle before it is closed, so
	// that an active client does not send its next request at the same time.
	idleGrace = time.Second
	// newConnGrace is how long a new connection may take to send its first
	// request, as in net/http.
	newConnGrace = 5 * time.Second
	// queueIdleTime is how long no connection may have been accepted before the socket
	// is closed. Handshakes that have begun end in that time, which is a round trip.
	queueIdleTime = 200 * time.Millisecond
	// queueMaxTime is how long the queue may be busy where the kernel cannot drop new
	// connections. Then the socket is closed as soon as none waits.
	queueMaxTime = time.Second
	// The pauses between two checks of what is left.
	minPoll = time.Millisecond
	maxPoll = 25 * time.Millisecond
)

// Drain ends the listener without losing a request, as far as TCP allows it.
//
//   - The kernel drops new connections at their first packet, those that wait to be
//     accepted are served, and then the socket is closed. Where the kernel cannot
//     drop them, all are served until there is a pause.
//   - A busy connection ends by its next answer, in which the handler has to say so.
//   - An idle connection is closed when it has been idle for a moment and there is
//     nothing in its socket. What arrives after that check is lost.
//
// It returns when all connections have ended, but for upgraded ones and those of
// HTTP/2, or with the context's error. The ConnState of an http.Server has to be that
// of the Listener.
func (l *Listener) Drain(ctx context.Context) error {
	grace, queue := idleGrace, l.closeQueue()
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(deadline)/4)
		queue.idleTime = min(queue.idleTime, time.Until(deadline)/4)
	}
	accepting, pause := true, minPoll
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		if accepting && queue.isEmpty() {
			accepting = false
			if err := l.closeSocket(ctx); err != nil {
				return err
			}
		}
		if l.closeIdle(grace) == 0 && !accepting {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			pause = min(2*pause, maxPoll)
			timer.Reset(pause)
		}
	}
}

// acceptQueue is the queue of connections that wait to be accepted, while it ends.
type acceptQueue struct {
	listener  *Listener
	refusing  bool // the kernel drops new connections
	since     time.Time
	idleTime  time.Duration // see queueIdleTime
	idleSince time.Time
	accepted  int64 // connections until then
}

// closeQueue makes the kernel drop new connections, where it can.
func (l *Listener) closeQueue() *acceptQueue {
	refusing := socket.DropNewConns(l.Listener) == nil
	now := time.Now()
	return &acceptQueue{listener: l, refusing: refusing, since: now, idleTime: queueIdleTime, idleSince: now, accepted: l.accepted.Load()}
}

// isEmpty reports whether the socket can be closed. It can where the queue cannot be
// examined.
func (q *acceptQueue) isEmpty() bool {
	waiting, err := socket.HasPending(q.listener.Listener)
	if err != nil {
		return true
	}
	now := time.Now()
	if accepted := q.listener.accepted.Load(); waiting || accepted != q.accepted {
		q.accepted, q.idleSince = accepted, now
	}
	busy := !q.refusing && now.Sub(q.since) >= queueMaxTime
	return !waiting && (busy || now.Sub(q.idleSince) >= q.idleTime)
}

// closeSocket closes the socket, and waits until all that was accepted has been added.
func (l *Listener) closeSocket(ctx context.Context) error {
	l.mu.Lock()
	l.drained = true
	l.mu.Unlock()
	_ = l.Listener.Close()
	return l.wait(ctx)
}

// closeIdle asks connections that have been without a request for so long to close.
// It returns the number of those that are left.
func (l *Listener) closeIdle(grace time.Duration) (left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		word, phase, since := c.phase.get()
		silent := time.Duration(c.wheel.Now()-since) * timerwheel.Tick
		switch phase {
		case phaseDetached:
			continue
		case phaseClosing:
			c.askToClose(word) // again: its server may have set another deadline
		case phaseIdle:
			if silent > grace {
				c.askToClose(word)
			}
		case phaseNew:
			if silent > newConnGrace {
				c.askToClose(word)
			}
		}
		left++
	}
	return left
}
