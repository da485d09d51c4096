// Package transport sends requests to plain HTTP/1.1 backends on the goroutine of
// the caller. http.Transport hands each request to one goroutine that writes
// and another that reads, and takes the answer back from them; most of what a
// small request costs in a proxy is spent on these handovers. Here the caller
// writes the request to a pooled connection and reads the answer from it. Heads
// that are plain are package wire's to write and read; all else is still the
// standard library's: http.Request.Write and http.ReadResponse.
//
// What has to do two things at once goes to an http.Transport: upgrades,
// Expect, TLS, and bodies that are large or of unknown length. A small body is
// written by a goroutine of its own, so that an answer may overtake it.
//
// The files:
//
//	transport.go  which requests are taken, and the one retry
//	hooks.go      what else it has to be told, and tells
//	conn.go       one connection: a request, its answer, its end
//	body.go       the body of an answer, and what becomes of its connection
//	pool.go       connections that wait for a request, requests that wait for one
package transport
