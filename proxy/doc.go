// Package proxy decides where a request goes and takes it there.
//
// The life of a request, numbered by hop, each in one file:
//
//  1. gateway.go   ServeHTTP: the whole order, read top to bottom
//  2. exchange.go  observe: request id, access log (access.go), metrics, recover
//  3. client.go    who is calling, seen through trusted proxies (clientip reads their
//     headers, unreadable.go logs those that it could not read)
//  4. cors.go      preflights answered, the headers of every answer prepared
//  5. limits.go    so much at once for one client, or 429
//  6. message.go   what only HTTP/2 can carry, or 400
//  7. path.go      the canonical path, or 400
//  8. match.go     the route in the table, or 404, or 405
//  9. (auth)       the policy's verdict, or 401, 403, 503
//  10. forward.go  the backend's httputil.ReverseProxy: Rewrite, answer, errors
//     headers.go   what a client may not say, and what the gateway does
//     answers.go   what a backend may not say: 1xx, 101, trailers
//     upgrade.go   the wish to switch protocols, and the backend's 101
//     body.go      what the client sends: bounded, counted, streamed
//     replay.go    and kept while the request may be sent again
//     headflush.go the head of an answer whose body is long in coming
//     earlyresponse.go an answer that comes before the body has ended
//     idletimer.go how long the other side may be silent, by internal/timerwheel
//     revocation.go streams end with what they were let in on
//     streams.go   upgraded connections: drained, ended between two frames
//     info.go      or an answer of the gateway's own: GET / and GET /health
//
// HTTP/1.1 is spoken by the packages of proxy/http1: server with clients, transport
// with backends. What that transport does not support goes through net/http's,
// whose connections proxy/upstream closes in time.
//
// Questions about a table are answered by the same code: explain.go, expect.go
// (the file's own tests), diff.go with probe.go and weakened.go.
//
// Everything that can fail is decided before Rewrite; Rewrite only expresses
// the decision. Every answer that the gateway makes itself is an httperr.Error
// (refusals.go has those of this package).
//
// A table is built by Compile (compile.go) and never changes afterwards. The
// Gateway holds the live one behind an atomic pointer; Swap replaces it. A
// request loads the pointer once, so it never sees two tables.
package proxy
