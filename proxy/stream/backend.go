package stream

import (
	"io"
	"strings"
	"time"

	"gatehouse/proxy/idletimer"
)

// halfCloseTimeout is how long a WebSocket may be silent after one side has ended
// its half of the connection. A WebSocket has no halves (RFC 6455 section 7.1.1),
// and the other side may never notice.
const halfCloseTimeout = 5 * time.Second

// IsWebSocket reports whether a name of a protocol is that of WebSocket, the one
// protocol whose frames this package knows.
func IsWebSocket(protocol string) bool { return strings.EqualFold(protocol, "websocket") }

// Backend is the backend's side of an upgraded connection: the body of its 101,
// which httputil also writes to. Bytes in either direction touch the idle timer.
type Backend struct {
	io.ReadWriteCloser
	timer  *idletimer.Timer
	idle   time.Duration // the timeout of timer; 0 is no bound
	frames *framedWriter // what is written goes through it; nil if not a WebSocket
}

// NewBackend makes the Backend of a connection that has switched to a protocol.
func NewBackend(conn io.ReadWriteCloser, protocol string, timer *idletimer.Timer, idle time.Duration) *Backend {
	made := &Backend{ReadWriteCloser: conn, timer: timer, idle: idle}
	if IsWebSocket(protocol) {
		made.frames = &framedWriter{w: conn}
	}
	return made
}

// Read implements io.Reader: from the backend to the client.
func (b *Backend) Read(p []byte) (int, error) {
	n, err := b.ReadWriteCloser.Read(p)
	b.timer.Touch()
	if err == io.EOF { //nolint:errorlint // as an io.Reader gives it
		b.onHalfClose()
	}
	return n, err
}

// onHalfClose is called when one side has ended its half. In other protocols than
// WebSocket the other half may go on for long; the idle timeout bounds it.
func (b *Backend) onHalfClose() {
	if b.frames != nil && (b.idle == 0 || b.idle > halfCloseTimeout) {
		b.timer.SetTimeout(halfCloseTimeout)
	}
}

// Write implements io.Writer: from the client to the backend.
func (b *Backend) Write(p []byte) (n int, err error) {
	if b.frames != nil {
		n, err = b.frames.Write(p)
	} else {
		n, err = b.ReadWriteCloser.Write(p)
	}
	b.timer.Touch()
	return n, err
}

// CloseWrite passes a half-close on, as httputil does for a bare connection.
func (b *Backend) CloseWrite() error {
	if half, ok := b.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return b.Close()
}
