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

// This file handles the switch of protocols on a connection (RFC 9110 section 7.8): what
// a client may ask for, and what the backend answers. Package stream handles the
// connections after the switch.

// upgrade is a switch of protocols: what the client asked for, and the result.
type upgrade struct {
	wanted    string                      // the protocol that the backend may switch to; "" for none
	webSocket bool                        // wanted is a WebSocket
	header    http.Header                 // of the backend's 101
	backend   *stream.Backend             // the backend's side after the 101; nil before
	client    atomic.Pointer[stream.Conn] // the client's side after the 101; nil before
}

// grantUpgrade sets upgrade.wanted to the protocol that the client asks for, if the
// route allows it. The gateway ignores any other Upgrade, as a server may, because it
// does not check the bytes on an upgraded connection. It also ignores several protocols
// or several Upgrade headers: the backend would choose among them. HTTP/1.0 has no
// Upgrade, and a WebSocket begins with GET (RFC 6455 section 4.1).
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

// switchProtocols handles the backend's 101. It returns an error when the 101 does not
// fit the request. After an error httputil closes the backend's connection. httputil
// would not close it if it refused the 101 itself.
func (a *attempt) switchProtocols(res *http.Response) error {
	protocol := res.Header.Get("Upgrade")
	if !strings.EqualFold(protocol, res.Request.Header.Get("Upgrade")) {
		return errUpgrade
	}
	if a.t.body != nil && !a.t.body.complete() {
		return errEarly // the body and the stream would both read from the client
	}
	conn, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		return errUpgrade
	}
	a.t.backend.cleanInterim(res.Header)
	if a.upgrade.webSocket {
		spellWebSocket(res.Header)
	}
	a.upgrade.backend = stream.NewBackend(conn, protocol, &a.idleTimer, a.t.backend.config.IdleTimeout)
	a.upgrade.header = res.Header
	// httputil checks these two and adds them to the fields that Hijack has set.
	res.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {protocol}}
	res.Body = a.upgrade.backend
	return nil
}

// spelledWebSocket returns a field name in the spelling of RFC 6455 (section 11.3), such
// as "Sec-WebSocket-Key". net/http writes "Sec-Websocket-Key", which some devices do
// not recognize.
func spelledWebSocket(name string) string {
	if rest, found := strings.CutPrefix(name, "Sec-Websocket-"); found {
		return "Sec-WebSocket-" + rest
	}
	return name
}

// spellWebSocket changes the field names in an answer to a handshake to the spelling of
// spelledWebSocket.
func spellWebSocket(header http.Header) {
	for name, values := range header {
		if spelled := spelledWebSocket(name); spelled != name {
			delete(header, name)
			header[spelled] = values
		}
	}
}

// isProtocol reports whether an Upgrade names one protocol, with or without a version
// (RFC 9110 section 7.8). Both must be tokens. Without this check, non-ASCII letters
// whose lower case is ASCII could match a name. httputil answers 502 to a name that
// is not ASCII.
func isProtocol(text string) bool {
	name, version, versioned := strings.Cut(text, "/")
	return httpguts.ValidHeaderFieldName(name) && (!versioned || httpguts.ValidHeaderFieldName(version)) // field names are tokens too
}
