// Package upstream holds the connections to backends. A Pool shares transports
// between routes and between tables: that of proxy/http1/transport for plain-text
// HTTP/1.1, and a Transport of this package, around http.Transport, for all else.
//
// http.Transport keeps a connection for as long as it is busy: after a change
// of DNS the old address is used on, and an HTTP/2 connection whose other end
// is frozen, or behind a firewall that forgot it, takes every request and
// answers none. A Transport of this package has one http.Transport for each
// backend, and gives it up, with all of its connections, when
//
//   - its age is reached, or
//   - it speaks HTTP/2 and not a byte has come for a while, though requests wait.
//
// Given up means: new requests go to a new http.Transport with connections of
// its own. Requests under way are left alone, and each old connection is closed
// when its last one has ended, as after GOAWAY (RFC 9113 section 6.8). So a
// wrong guess costs a connection and no request.
//
// Why not by pings of net/http's (http.HTTP2Config.SendPingTimeout) alone: they
// are sent whenever a connection is quiet, and gRPC servers answer the fourth
// within five minutes with GOAWAY (ENHANCE_YOUR_CALM), which ends every quiet
// stream. Pings as rare as gRPC allows are sent, too, for streams without any
// other bound.
//
//	pool.go        which transport a route uses, and which ones a table leaves to the next
//	standard.go    how a transport is made: protocols, bounds, TLS
//	dial.go        how a connection is opened
//	presented.go   the certificates that routes show to backends
//	transport.go   which http.Transport a request goes to
//	generation.go  one of them, from its first request to its last connection
//	upload.go      a body of a request that no answer will come to
package upstream
