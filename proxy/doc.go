// Package proxy decides where a request goes and takes it there.
//
// The life of a request, numbered by hop, each in one file:
//
//  1. gateway.go   ServeHTTP: the whole order, read top to bottom
//  2. exchange.go  observe: metrics, access log (access.go), recover
//     response.go  the http.ResponseWriter of the request: what every answer carries
//  3. clientip/    who is calling, seen through trusted proxies
//  4. cors/         preflights answered, the headers of every answer prepared
//  5. limits.go    so much at once for one client, or 429
//  6. message.go   what only HTTP/2 can carry, or 400
//  7. find.go      the canonical path and the host (route/), or 400
//  8. route/       the route in the table, or 404, or 405
//  9. (auth)       the policy's verdict, or 401, 403, 503
//  10. forward/    the backend: its package documentation says what is where
//     info.go      or an answer of the gateway's own: GET / and GET /health
//
// Before that, package listener has accepted the client's connection, within the
// limits that Gateway.Limit reads from the table.
//
// HTTP/1.1 is spoken by the packages of proxy/http1: server with clients, transport
// with backends. What that transport does not support goes through net/http's,
// whose connections proxy/upstream closes in time; the pool of both is there.
//
// Questions about a table are answered by the same code: decide.go has the same hops,
// and sends nothing. Package explain puts the answers into words.
//
// Everything that can refuse a request is decided before it is forwarded. Every answer
// that the gateway makes itself is an httperr.Error (refusals.go has those of this
// package).
//
// A table is built by Compile (compile.go) and never changes afterwards. The
// Gateway holds the live one behind an atomic pointer; Swap replaces it. A
// request loads the pointer once, so it never sees two tables.
//
// # Time bounds
//
// This is the one list of how long the gateway waits for what. A value in capitals
// is a setting, one in lower case a key of a route, with the default. "Armed by" is
// what starts the time, "ended by" what stops it without harm. Most of these times
// are kept by internal/timerwheel, and may end up to two ticks (100 ms) late.
//
// For a client's connection:
//
//	bound                       value                       armed by                              ended by
//	request head                10s                         http1/server readHead, net/http       the end of the head
//	idle, between requests      GATEWAY_IDLE_TIMEOUT (120s) http1/server readHead, net/http       the first byte of the next head
//	no byte accepted            2m (writeStall)             listener Conn.Write                   each write that gets on
//	lingering close             2s a read, 10s in all       http1/server lingeringClose           the client's close
//	  of a pipelining client    500ms a read                http1/server lingeringClose           the client's close
//	HTTP/2 client without pong  60s (silenceTimeout)        net/http, as internal/server says     any frame
//	requests of operators       40s (opsTimeout)            net/http, as internal/server says     the end of the answer
//
// For a request:
//
//	bound                       value                       armed by                              ended by
//	response header             timeout (60s)               forward Forwarder.Forward              modifyResponse; paused while a body is read
//	silence in both bodies      idle_timeout (5m)           forward modifyResponse                 each piece (Touch); Stop at the end
//	next piece of a body        idle_timeout (5m)           forward clientBody.beginRead            the answer, the end of the body
//	body for a built-in handler 30s (handlerBodyTime)       serveHandler                          the end of the request
//	unread rest of a body       1s (LastReadGrace)          exchange.finish                       the end of the body
//	unread answer, HTTP/2       1m (lastWriteGrace)         response.boundUnread                   the end of the stream
//	early answer                500ms (earlyAnswerGrace)    forward clientBody.waitForEnd            the end of the client's body
//	head whose body is late     150ms (firstFire)           idleTimer.FlushHeadSoon               the first bytes of the body
//	check for a disconnect      100ms (disconnectCheck)     listener Conn.WatchDisconnect         UnwatchDisconnect, when the handler returns
//	half-closed WebSocket       5s (halfCloseTimeout)       stream Backend.onHalfClose            the close of the other side
//	close frame                 1s (closeTimeout)           stream Conn.EndWith, framedWriter     the frame is written
//
// For a backend:
//
//	bound                       value                       armed by                              ended by
//	dial, TLS handshake         connect_timeout (10s)       upstream Pool.dialer, net/http        the connection
//	idle connection             GATEWAY_BACKEND_IDLE_TIMEOUT (90s)  http1/transport pools.sweep, net/http  the next request
//	age of a connection         GATEWAY_MAX_CONNECTION_AGE (5m)     http1/transport pools.sweep, upstream  its last request ends first
//	HTTP/2 backend is silent    5s to 1m (defaultSilence)   upstream generation.beforeRequest     any byte
//	  after a failed request    1s (failedSilence)          upstream generation.unanswered        any byte
//	HTTP/2 ping                 5m10s, 30s for the pong     net/http, as upstream says            any frame
//	HTTP/2 write                30s (writeTimeout)          net/http, as upstream says            a write that gets on
//	100 (Continue)              1s                          net/http, as upstream says            the 100
//	end of a sent body          20ms (sendGrace)            http1/transport conn.finish           sendBody returns
//	read after a failed write   1s (writeErrorWait)         socket.DelayWriteErrors               each read
//	answer after a lost backend 1s (answerGrace)            upstream uploadWatch.startTimer       RoundTrip returns
//
// For the end of the gateway:
//
//	bound                       value                       armed by                              ended by
//	before the drain            GATEWAY_SHUTDOWN_DELAY (0s) internal/server waitAndDrain          -
//	requests and streams        GATEWAY_SHUTDOWN_TIMEOUT (30s)  internal/server waitAndDrain      the last one ends
//	connections to be accepted  200ms idle, 1s busy         listener Drain (acceptQueue)          the queue is empty
//	idle connection             1s (idleGrace)              listener Drain (closeIdle)            a request on it
//	new connection              5s (newConnGrace)           listener Drain, http1/server Shutdown a request on it
//	rest of a head              10s (headGrace)             listener Conn.cancelClose             the end of the head
//	requests of operators       1s (opsStopTimeout)         internal/server waitAndDrain          the last one ends
//	log that nobody reads       1s (logFlushTimeout)        internal/server, at its end           the last line is written
package proxy
