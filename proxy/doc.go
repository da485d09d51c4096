// Package proxy decides where a request goes and takes it there.
//
// The life of a request, numbered by hop, each in one file:
//
//  1. gateway.go   ServeHTTP: the whole order, read top to bottom
//  2. exchange.go  observe: request id, access log, metrics, recover
//  3. client.go    who is calling, seen through trusted proxies
//  4. cors.go      preflights answered, the headers of every answer prepared
//  5. path.go      the canonical path, or 400
//  6. match.go     the route in the table, or 404, or 405
//  7. (auth)       the policy's verdict, or 401, 403, 503
//  8. forward.go   the backend's httputil.ReverseProxy: Rewrite, answer, errors
//     body.go      what the client sends: bounded, counted, streamed
//     patience.go  how long the other side may be silent
//     about.go     or a built-in answer: GET / and GET /health
//
// Everything that can fail is decided before Rewrite; Rewrite only expresses
// the decision. Every answer that the gateway makes itself is an auth.Refusal
// (refusals.go has those of this package).
//
// A table is built by Compile (compile.go) and never changes afterwards. The
// Gateway holds the live one behind an atomic pointer; Swap replaces it. A
// request loads the pointer once, so it never sees two tables.
package proxy
