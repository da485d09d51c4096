package stream

import (
	"io"
	"strings"
	"time"

	"gatehouse/proxy/idletimer"
)

// halfCloseTimeout is how long a WebSocket may be silent after one side has closed its
// half of the connection. A WebSocket cannot be half closed (RFC 6455 section 7.1.1), and
// the other side may never notice.
const halfCloseTimeout = 5 * time.Second

// IsWebSocket reports whether protocol is the name of WebSocket. It is the only protocol
// whose frames this package understands.
func IsWebSocket(protocol string) bool { return strings.EqualFold(protocol, "websocket") }

// Backend is the backend's side of an upgraded connection. httputil uses it as the body of
// the 101, and also writes to it. Bytes in either direction touch the idle timer.
type Backend struct {
	io.ReadWriteCloser
	timer  *idletimer.Timer
	idle   time.Duration // the timeout of timer; 0 means no limit
	frames *framedWriter // Write goes through it; nil if not a WebSocket
}

// NewBackend returns the Backend of a connection that has switched to protocol. idle is
// the timeout of timer.
func NewBackend(conn io.ReadWriteCloser, protocol string, timer *idletimer.Timer, idle time.Duration) *Backend {
	made := &Backend{ReadWriteCloser: conn, timer: timer, idle: idle}
	if IsWebSocket(protocol) {
		made.frames = &framedWriter{w: conn}
	}
	return made
}

// Read implements io.Reader. It reads bytes for the client.
func (b *Backend) Read(p []byte) (int, error) {
	n, err := b.ReadWriteCloser.Read(p)
	b.timer.Touch()
	if err == io.EOF { //nolint:errorlint // as an io.Reader gives it
		b.onHalfClose()
	}
	return n, err
}

// onHalfClose is called when one side has closed its half of the connection. In other
// protocols than WebSocket, the other half may stay open; the idle timeout limits it.
func (b *Backend) onHalfClose() {
	if b.frames != nil && (b.idle == 0 || b.idle > halfCloseTimeout) {
		b.timer.SetTimeout(halfCloseTimeout)
	}
}

// Write implements io.Writer. It writes bytes from the client.
func (b *Backend) Write(p []byte) (n int, err error) {
	if b.frames != nil {
		n, err = b.frames.Write(p)
	} else {
		n, err = b.ReadWriteCloser.Write(p)
	}
	b.timer.Touch()
	return n, err
}

// CloseWrite closes the writing half of the connection, or the whole connection if it has
// no halves. httputil calls it.
func (b *Backend) CloseWrite() error {
	if half, ok := b.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return b.Close()
}
