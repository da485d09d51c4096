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

// AfterReads makes a connection whose Write returns an error only when nothing
// more can be read, or after a Close. A backend that refuses a large upload
// answers and closes its side: http.Transport then gives up at the first write
// that fails, though the answer is there (RFC 9112 section 9.5, issue 10).
//
// most bounds the wait when nothing is read; 0 is no bound. One who reads and
// waits for a write to end, as TLS and HTTP/2 may, needs it.
func AfterReads(conn net.Conn, most time.Duration) net.Conn {
	return &afterReads{Conn: conn, most: most, ended: make(chan struct{})}
}

type afterReads struct {
	net.Conn
	most  time.Duration
	reads atomic.Int64
	once  sync.Once
	ended chan struct{} // closed when nothing more can be read
}

func (c *afterReads) end() { c.once.Do(func() { close(c.ended) }) }

// Read implements net.Conn.
func (c *afterReads) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.reads.Add(1)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.end()
	}
	return n, err
}

// Write implements net.Conn.
func (c *afterReads) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if isFinal(err) {
		c.await()
	}
	return n, err
}

// isFinal reports whether a write has failed for good, by the other side's doing.
func isFinal(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
}

// Unwanted is told, of a body that is written by ReadFrom, that nobody will read
// the rest of it.
type Unwanted interface{ Unwanted() }

// ReadFrom implements io.ReaderFrom, by which http.Transport writes a body of
// known length.
func (c *afterReads) ReadFrom(body io.Reader) (int64, error) {
	out := &notedWriter{Writer: c.Conn}
	n, err := io.Copy(out, body)
	if isFinal(out.err) {
		if limited, ok := body.(*io.LimitedReader); ok {
			body = limited.R
		}
		if body, ok := body.(Unwanted); ok {
			body.Unwanted()
		}
		c.await()
	}
	return n, err
}

// notedWriter tells errors of a write from those of a read.
type notedWriter struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (w *notedWriter) Write(p []byte) (n int, err error) {
	n, w.err = w.Writer.Write(p)
	return n, w.err
}

// await waits for the end of the reads.
func (c *afterReads) await() {
	if c.most == 0 {
		<-c.ended
		return
	}
	timer := time.NewTimer(c.most)
	defer timer.Stop()
	for before := c.reads.Load(); ; {
		select {
		case <-c.ended:
			return
		case <-timer.C:
		}
		now := c.reads.Load()
		if now == before {
			return
		}
		before = now
		timer.Reset(c.most)
	}
}

// Close implements net.Conn.
func (c *afterReads) Close() error {
	c.end()
	return c.Conn.Close()
}

// CloseWrite passes a half-close on.
func (c *afterReads) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
