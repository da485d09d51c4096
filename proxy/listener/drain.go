package listener

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/http1/socket"
)

// Time limits of Drain.
const (
	// idleGrace is how long a connection must be idle before it is closed. An active
	// client could send its next request while the connection is being closed.
	idleGrace = time.Second
	// newConnGrace is how long a new connection may take to send its first
	// request, as in net/http.
	newConnGrace = 5 * time.Second
	// queueIdleTime is how long no connection must have been accepted before the socket
	// is closed. Started handshakes end in that time, which is a round trip.
	queueIdleTime = 200 * time.Millisecond
	// queueMaxTime is how long the queue may be busy when the kernel cannot drop new
	// connections. After that, the socket is closed as soon as no connection waits.
	queueMaxTime = time.Second
	// The pauses between two checks of the remaining connections.
	minPoll = time.Millisecond
	maxPoll = 25 * time.Millisecond
)

// Drain closes the listener without losing a request, as far as TCP allows it.
//
//   - The kernel drops new connections at their first packet. Connections that wait to be
//     accepted are served. Then the socket is closed. When the kernel cannot drop new
//     connections, all are served until there is a pause. The file of a unix socket is
//     removed instead, so that no new client finds it.
//   - A socket that another process has, too (see Share), is only closed here.
//   - A busy connection ends after its next answer. The handler must set Connection: close
//     in that answer.
//   - An idle connection is closed when it has been idle for a moment and its socket has
//     no data. Data that arrives after that check is lost.
//
// Drain returns nil when all connections have ended, except upgraded ones and HTTP/2. It
// returns the context's error when ctx is done before. The http.Server must use the
// Listener's ConnState.
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

// acceptQueue is the queue of connections that wait to be accepted, during Drain.
type acceptQueue struct {
	listener  *Listener
	refusing  bool          // no new connections come
	since     time.Time     // when Drain was called
	idleTime  time.Duration // see queueIdleTime
	idleSince time.Time     // when the queue was last seen busy
	accepted  int64         // connections accepted until idleSince
}

// closeQueue makes the kernel drop new connections, where it can.
func (l *Listener) closeQueue() *acceptQueue {
	refusing := false
	switch {
	case l.shared:
	case l.Addr().Network() == "unix":
		refusing = l.removeFile()
	default:
		refusing = socket.DropNewConns(l.Listener) == nil
	}
	now := time.Now()
	return &acceptQueue{listener: l, refusing: refusing, since: now, idleTime: queueIdleTime, idleSince: now, accepted: l.accepted.Load()}
}

// socketFile returns the file of a unix socket that has just been opened. It is nil for
// all other listeners.
func socketFile(l net.Listener) fs.FileInfo {
	unix, ok := l.(*net.UnixListener)
	if !ok || strings.HasPrefix(unix.Addr().String(), "@") {
		return nil
	}
	info, err := os.Lstat(unix.Addr().String())
	if err != nil {
		return nil
	}
	return info
}

// removeFile removes the file of a unix socket, so that no client finds the socket. It
// reports whether no client can find it. Another process may have put its own file in the
// place: that stays. So the socket does not remove the file when it is closed, either.
func (l *Listener) removeFile() bool {
	unix, ok := l.Listener.(*net.UnixListener)
	if !ok || l.file == nil {
		return false
	}
	unix.SetUnlinkOnClose(false)
	path := unix.Addr().String()
	now, err := os.Lstat(path)
	if err != nil || !os.SameFile(l.file, now) {
		return errors.Is(err, fs.ErrNotExist) || err == nil
	}
	return os.Remove(path) == nil
}

// isEmpty reports whether the socket can be closed. It returns true when the queue cannot
// be examined.
func (q *acceptQueue) isEmpty() bool {
	if q.listener.shared {
		return true // the other process accepts what waits
	}
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

// closeSocket closes the socket, and waits until all accepted connections are in l.conns.
func (l *Listener) closeSocket(ctx context.Context) error {
	l.mu.Lock()
	l.drained = true
	l.mu.Unlock()
	_ = l.Listener.Close()
	return l.wait(ctx)
}

// closeIdle asks connections to close that have had no request for longer than grace. It
// returns the number of open connections, without detached ones.
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
