// Package upstream manages the connections to backends. A Pool shares transports
// between routes and between tables. For HTTP/1.1 without TLS it uses the transport of
// proxy/http1/transport. For everything else it uses a Transport of this package, which
// wraps http.Transport.
//
// http.Transport keeps a connection as long as the connection is busy. This has two
// faults. After a DNS change it still uses the old address. And an HTTP/2 connection may
// be dead because the backend hangs or a firewall has dropped it: such a connection
// accepts every request and answers none. So a Transport of this package has one
// http.Transport for each backend. It retires that http.Transport with all its
// connections when
//
//   - its maximum age is reached, or
//   - it uses HTTP/2, requests wait, and no byte has come for a while.
//
// After that, new requests go to a new http.Transport with its own connections. Running
// requests are not interrupted. Each old connection is closed when its last request has
// ended, as after GOAWAY (RFC 9113 section 6.8). So a false alarm costs a connection,
// but no request.
//
// The pings of net/http (http.HTTP2Config.SendPingTimeout) alone are not enough. They
// are sent whenever a connection is quiet. gRPC servers answer the fourth ping within
// five minutes with GOAWAY (ENHANCE_YOUR_CALM), which ends every quiet stream. Pings
// are also sent, as rarely as gRPC requires, for streams without any other time limit.
//
//	pool.go        which transport a route uses, and which ones a new table keeps
//	standard.go    how a transport is made: protocols, limits, TLS
//	dial.go        how a connection is opened
//	presented.go   the certificates that routes show to backends
//	transport.go   which http.Transport a request uses
//	generation.go  one http.Transport, from its first request to its last connection
//	upload.go      a request body whose request will get no answer
package upstream
