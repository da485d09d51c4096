package forward

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"gatehouse/proxy/stream"

	"golang.org/x/net/http/httpguts"
)

// This file is about switching protocols on a connection (RFC 9110 section 7.8):
// what a client may wish for, and what the backend answers. Package stream
// has the connections afterwards.

// upgrade is a switch of protocols: what the client asked for, and what became of it.
type upgrade struct {
	wanted    string                      // what the backend may switch to; "" for nothing
	webSocket bool                        // that is a WebSocket
	header    http.Header                 // of the backend's 101
	backend   *stream.Backend             // the backend's side behind it; nil without one
	client    atomic.Pointer[stream.Conn] // the client's side behind it
}

// grantUpgrade notes the protocol that the client asks for, if the route grants
// it. A wish that it does not grant is dropped, which a server may do: on an
// upgraded connection nobody would look at what is sent. Several protocols, or
// several headers, are a choice that the backend would make, so they are dropped
// too. In HTTP/1.0 there is no Upgrade, and a WebSocket begins with GET (RFC 6455
// section 4.1).
func (a *attempt) grantUpgrade() {
	header := a.t.In.Header
	wanted := header["Upgrade"]
	if len(wanted) != 1 || a.t.isHTTP10() || !isProtocol(wanted[0]) || !httpguts.HeaderValuesContainsToken(header["Connection"], "Upgrade") {
		return
	}
	name, _, _ := strings.Cut(strings.ToLower(wanted[0]), "/") // a version may follow
	webSocket := stream.IsWebSocket(name)
	if !slices.Contains(a.t.backend.config.Upgrade, name) || webSocket && a.t.In.Method != http.MethodGet {
		return
	}
	a.upgrade.wanted, a.upgrade.webSocket = wanted[0], webSocket
}

var (
	errUpgrade = errors.New("backend switched to a protocol that was not asked for")
	errEarly   = errors.New("backend switched protocols before it had the whole request")
)

// switchProtocols takes a 101 of the backend. After an error httputil closes the
// backend's connection, which it does not when it refuses the answer itself.
func (a *attempt) switchProtocols(res *http.Response) error {
	protocol := res.Header.Get("Upgrade")
	if !strings.EqualFold(protocol, res.Request.Header.Get("Upgrade")) {
		return errUpgrade
	}
	if a.t.body != nil && !a.t.body.complete() {
		return errEarly // two would read from the client
	}
	conn, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		return errUpgrade
	}
	a.t.backend.policy.cleanInterim(res.Header)
	if a.upgrade.webSocket {
		spellWebSocket(res.Header)
	}
	a.upgrade.backend = stream.NewBackend(conn, protocol, &a.idleTimer, a.t.backend.config.IdleTimeout)
	a.upgrade.header = res.Header
	// httputil looks at these, and adds them to what Hijack makes of the others.
	res.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {protocol}}
	res.Body = a.upgrade.backend
	return nil
}

// spelledWebSocket returns a field's name as RFC 6455 writes it (section 11.3),
// where net/http has "Sec-Websocket-Key". There are devices that look for the
// former.
func spelledWebSocket(name string) string {
	if rest, found := strings.CutPrefix(name, "Sec-Websocket-"); found {
		return "Sec-WebSocket-" + rest
	}
	return name
}

// spellWebSocket writes the fields of an answer to a handshake so.
func spellWebSocket(header http.Header) {
	for name, values := range header {
		if spelled := spelledWebSocket(name); spelled != name {
			delete(header, name)
			header[spelled] = values
		}
	}
}

// isProtocol reports whether an Upgrade names one protocol, with or without a
// version (RFC 9110 section 7.8). Without this check there are letters whose
// lower case is ASCII, and httputil answers 502 to what is not.
func isProtocol(text string) bool {
	name, version, versioned := strings.Cut(text, "/")
	return httpguts.ValidHeaderFieldName(name) && (!versioned || httpguts.ValidHeaderFieldName(version)) // tokens, as a protocol is
}
