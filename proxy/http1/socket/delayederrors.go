package socket

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// DelayWriteErrors returns a connection whose Write returns an error only when nothing
// more can be read, or after Close. A backend that refuses a large upload answers and
// closes the connection. http.Transport gives up at the first write that fails,
// although the response is there (RFC 9112 section 9.5, issue 10).
//
// maxWait bounds the wait while nothing is read; 0 means no bound. It is needed where
// the reader may wait for a write, as in TLS and HTTP/2.
func DelayWriteErrors(conn net.Conn, maxWait time.Duration) net.Conn {
	return &delayedErrors{Conn: conn, maxWait: maxWait, readsDone: make(chan struct{})}
}

type delayedErrors struct {
	net.Conn
	maxWait   time.Duration
	onError   func() // called when a write fails; may be nil
	reads     atomic.Int64
	once      sync.Once
	readsDone chan struct{} // closed when nothing more can be read
}

func (c *delayedErrors) closeReads() { c.once.Do(func() { close(c.readsDone) }) }

// Read implements net.Conn.
func (c *delayedErrors) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.reads.Add(1)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.closeReads()
	}
	return n, err
}

// Write implements net.Conn.
func (c *delayedErrors) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if isFinal(err) {
		if c.onError != nil {
			c.onError()
		}
		c.waitForReads()
	}
	return n, err
}

// OnWriteError sets a function that is called when a write fails, before the error is
// delayed. It must be called before the first write.
func (c *delayedErrors) OnWriteError(failed func()) { c.onError = failed }

// isFinal reports whether a write has failed for good, because of the other side.
func isFinal(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
}

// waitForReads waits until nothing more can be read.
func (c *delayedErrors) waitForReads() {
	if c.maxWait == 0 {
		<-c.readsDone
		return
	}
	timer := time.NewTimer(c.maxWait)
	defer timer.Stop()
	for before := c.reads.Load(); ; {
		select {
		case <-c.readsDone:
			return
		case <-timer.C:
		}
		now := c.reads.Load()
		if now == before {
			return
		}
		before = now
		timer.Reset(c.maxWait)
	}
}

// Close implements net.Conn.
func (c *delayedErrors) Close() error {
	c.closeReads()
	return c.Conn.Close()
}

// CloseWrite closes the writing side of the connection.
func (c *delayedErrors) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
