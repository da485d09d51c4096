// Package transport sends requests to plain-text HTTP/1.1 backends on the caller's
// goroutine. http.Transport hands each request to one goroutine that writes and
// another that reads, and takes the response back from them. In a proxy, these
// handovers are most of the cost of a small request. Here the caller writes the
// request to a pooled connection and reads the response from it. Package wire formats
// and parses simple heads; http.Request.Write and http.ReadResponse do the others.
//
// Requests that need two things at once go to an http.Transport: upgrades, Expect,
// TLS, and bodies that are large or of unknown length. A small body is written by a
// goroutine of its own, because the response may come first.
//
// The files:
//
//	transport.go  which requests are eligible, and the one retry
//	hooks.go      what caller and Transport tell each other besides the request
//	conn.go       one connection: send a request, receive its response
//	body.go       the body of a response, which returns the connection at its end
//	pool.go       idle connections, and requests that wait for one
package transport
