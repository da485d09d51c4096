package testkit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Client is a raw connection to a server, for what a client library would
// correct or refuse to send.
type Client struct {
	net.Conn
	In *bufio.Reader // reads what the server sends

	t testing.TB
}

// Dial connects to a server, given by its URL or its address. The connection is
// closed when the test ends, and its deadline is Timeout.
func Dial(t testing.TB, server string) *Client {
	t.Helper()
	if _, address, isURL := strings.Cut(server, "://"); isURL {
		server, _, _ = strings.Cut(address, "/")
	}
	conn, err := net.Dial("tcp", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(Timeout)); err != nil {
		t.Fatal(err)
	}
	return NewClient(t, conn)
}

// NewClient returns a Client on a connection that the test has made, such as one
// with TLS.
func NewClient(t testing.TB, conn net.Conn) *Client {
	return &Client{Conn: conn, In: bufio.NewReader(conn), t: t}
}

// Read reads from In, so that nothing that In has buffered is lost.
func (c *Client) Read(p []byte) (int, error) { return c.In.Read(p) }

// Send writes text, and fails the test when the connection does not take it.
func (c *Client) Send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("send %q: %v", text, err)
	}
}

// TrySend writes text to a server that may have closed the connection already.
func (c *Client) TrySend(text string) { _, _ = io.WriteString(c.Conn, text) }

// CloseWrite ends what the client sends. It can still read.
func (c *Client) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// Reset ends a TCP connection with RST.
func (c *Client) Reset() {
	c.t.Helper()
	if err := c.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		c.t.Fatal(err)
	}
	c.Close()
}

// ReceiveHead reads the head of a response, and leaves its body to the test. The
// body need not be closed, for the connection is.
func (c *Client) ReceiveHead() *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.In, nil)
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	return res
}

// Receive reads a response to a request other than HEAD, and its whole body.
func (c *Client) Receive() (res *http.Response, body string) {
	c.t.Helper()
	res = c.ReceiveHead()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("receive body: %v", err)
	}
	return res, string(all)
}

// ReceiveUntil reads until what has arrived ends with that, and returns it.
func (c *Client) ReceiveUntil(end string) string {
	c.t.Helper()
	var all []byte
	for !bytes.HasSuffix(all, []byte(end)) {
		next, err := c.In.ReadByte()
		if err != nil {
			c.t.Fatalf("after %q: %v; expected %q", all, err, end)
		}
		all = append(all, next)
	}
	return string(all)
}

// Rest returns what the server still sends. It fails the test when the server
// does not close the connection.
func (c *Client) Rest() string {
	c.t.Helper()
	all, err := io.ReadAll(c.In)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		c.t.Fatalf("the server did not close the connection; it sent %q", all)
	}
	return string(all)
}
