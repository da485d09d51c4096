package socket

import (
	"errors"
	"io"
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
		c.waitForReads()
	}
	return n, err
}

// isFinal reports whether a write has failed for good, because of the other side.
func isFinal(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
}

// BodyAbandoner is a body that is written by ReadFrom. BodyAbandoned is called when
// nobody will read the rest of it.
type BodyAbandoner interface{ BodyAbandoned() }

// ReadFrom implements io.ReaderFrom. http.Transport writes bodies of known length with
// it.
func (c *delayedErrors) ReadFrom(body io.Reader) (int64, error) {
	out := &errorWriter{Writer: c.Conn}
	n, err := io.Copy(out, body)
	if isFinal(out.err) {
		if limited, ok := body.(*io.LimitedReader); ok {
			body = limited.R
		}
		if body, ok := body.(BodyAbandoner); ok {
			body.BodyAbandoned()
		}
		c.waitForReads()
	}
	return n, err
}

// errorWriter records the error of a write, which io.Copy does not tell from that of a
// read.
type errorWriter struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (w *errorWriter) Write(p []byte) (n int, err error) {
	n, w.err = w.Writer.Write(p)
	return n, w.err
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
