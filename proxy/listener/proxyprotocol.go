package listener

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"
)

// This file reads the header of the PROXY protocol, in which a proxy says who its client
// is (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt). Only peers of
// Limits.ProxyProtocol may send it, and each of them must. What it says then is the remote
// address of the connection, for limits, trusted proxies and the log.

// Bounds on the header.
const (
	// proxyHeaderTimeout is how long the header may take.
	proxyHeaderTimeout = 10 * time.Second
	maxProxyV1         = 107     // section 2.1
	maxProxyV2         = 4 << 10 // of addresses and TLVs; section 2.2 allows 64 KiB
	fixedProxyV2       = 16      // bytes before the addresses
)

var errNoProxyHeader = errors.New("the PROXY header is missing or invalid")

// Begin implements server.Conn. It reads the PROXY header of a connection that must have
// one. An error means that the connection must be closed.
func (c *Conn) Begin() error {
	if !c.fromProxy {
		return nil
	}
	c.beginning.Store(true)
	_ = c.SetReadDeadline(time.Now().Add(proxyHeaderTimeout))
	remote, err := c.readProxyHeader()
	if err != nil {
		if _, phase, _ := c.phase.get(); phase != phaseClosing && !errors.Is(err, errNothingSent) {
			c.listener.refused(RefusedByProxyProtocol, errNoProxyHeader)
		}
		return err
	}
	c.beginning.Store(false)
	_ = c.SetReadDeadline(time.Time{})
	if remote != nil {
		c.remote = remote
	}
	return c.countForClient()
}

// errNothingSent is returned when the peer has closed the connection and sent nothing. So
// load balancers check a port; some of them reset the connection.
var errNothingSent = errors.New("the peer has sent nothing")

// readProxyHeader returns the address of the client. It is nil when the proxy speaks for
// itself, or knows no address.
func (c *Conn) readProxyHeader() (remote net.Addr, err error) {
	data := make([]byte, 0, 512)
	for {
		size, err := proxyHeaderSize(data)
		if err != nil {
			return nil, err
		}
		if size > 0 && len(data) >= size {
			c.Unread(data[size:])
			return parseProxyHeader(data[:size])
		}
		data = slices.Grow(data, max(size-len(data), 1))
		n, err := c.Read(data[len(data):cap(data)])
		if n == 0 && len(data) == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, errNothingSent
		}
		if n == 0 {
			return nil, err
		}
		data = data[:len(data)+n]
	}
}

// proxyHeaderSize returns the size of the header that data begins with, or 0 if more data
// are needed to know it.
func proxyHeaderSize(data []byte) (size int, err error) {
	switch {
	case beginsWith(data, proxyproto.SIGV2):
		if len(data) < fixedProxyV2 {
			return 0, nil
		}
		length := int(binary.BigEndian.Uint16(data[fixedProxyV2-2:]))
		if length > maxProxyV2 {
			return 0, errNoProxyHeader
		}
		return fixedProxyV2 + length, nil
	case beginsWith(data, proxyproto.SIGV1):
		size := bytes.IndexByte(data, '\n') + 1
		if size > maxProxyV1 || size == 0 && len(data) >= maxProxyV1 {
			return 0, errNoProxyHeader
		}
		return size, nil
	}
	return 0, errNoProxyHeader
}

// beginsWith reports whether data begins with a signature, or is its beginning.
func beginsWith(data, signature []byte) bool {
	n := min(len(data), len(signature))
	return bytes.Equal(data[:n], signature[:n])
}

// parseProxyHeader returns the address of the client in a whole header. It is nil when the
// proxy speaks for itself (LOCAL) or knows no address (UNKNOWN). Addresses other than those
// of TCP are refused.
func parseProxyHeader(data []byte) (net.Addr, error) {
	header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(data), maxProxyV1))
	if err != nil {
		return nil, errNoProxyHeader
	}
	if header.Command.IsLocal() {
		return nil, nil
	}
	source, _, ok := header.TCPAddrs()
	if !ok || source == nil || len(source.IP) == 0 {
		return nil, errNoProxyHeader
	}
	return source, nil
}

// errClientLimit is returned when the client that a proxy names has too many connections.
var errClientLimit = errors.New("the client has too many connections")

// countForClient counts the connection for the client that a proxy has named.
func (c *Conn) countForClient() error {
	limits, _ := c.listener.options.Limits()
	client, ok := c.listener.acquireFor(c.RemoteAddr(), limits)
	if !ok {
		return errClientLimit
	}
	c.counting.Lock()
	defer c.counting.Unlock()
	if c.released {
		if client.IsValid() {
			c.listener.clients.Release(client)
		}
		return net.ErrClosed
	}
	c.client = client
	return nil
}

// RemoteAddr implements net.Conn. It is the address that a proxy has named, if Begin has
// read one. The client of a unix socket has no name.
func (c *Conn) RemoteAddr() net.Addr {
	if c.remote != nil {
		return c.remote
	}
	return remoteAddr(c.Conn)
}
