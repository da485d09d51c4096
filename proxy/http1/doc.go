// Package http1 holds no code. Its packages speak HTTP/1.1 with clients and
// backends, in place of net/http where that is faster. They know nothing of
// routes, policies and configuration.
//
//	server     reads requests and writes responses, on clients' connections
//	transport  writes requests and reads responses, on backends' connections
//	wire       parses and formats the heads of messages
//	socket     reads and writes sockets without Go's scheduler
//
// # Ownership
//
// A connection has one owner at a time. In server it is the goroutine of the
// connection: it alone reads heads, calls the handler and writes the response.
// While the handler runs, the handler reads the body, through the connection. In
// transport the owner is the caller of RoundTrip; then it is the response's body,
// until it is read to its end or closed; then the pool.
//
// # Goroutines
//
// server uses one goroutine for each connection and none for a request. The
// connection may start another one that reads ahead, to notice a client that
// leaves, when the handler has run for a while. transport uses none for a request
// without a body. A request with a body has one that sends it, because the
// response may come first.
//
// # Handoff
//
// server takes a connection whose requests are simple: complete, well formed
// heads, a body of known length or none. At the first request that is not simple,
// it hands the connection over to net/http's server, with the bytes that it has
// read of it. Nothing has been answered of that request, and the connection does
// not come back.
//
// # Fallback
//
// transport sends what it does not support through an http.Transport: TLS,
// upgrades, Expect, bodies that are large or of unknown length. It decides before
// it has sent anything. A response head that wire does not parse is read by
// http.ReadResponse from the same connection. No package here decides that a
// message is wrong: net/http does, and answers.
package http1
