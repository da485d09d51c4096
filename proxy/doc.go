// Package proxy decides where a request goes and forwards it.
//
// A request passes these hops, in this order:
//
//  1. gateway.go   ServeHTTP: the whole order, read top to bottom
//  2. exchange.go  begin and finish: metrics, access log (access.go), recover
//     requestid.go  … and the request id
//     response.go  the http.ResponseWriter of the request: headers of every answer
//     deadline/    the one below it, for HTTP/2
//     (headers/ changes them as the table says, and those of requests in forward/)
//  3. clientip/    find the client, behind trusted proxies
//  4. preflight.go find the route that a preflight asks about, and answer
//     cors/        the answers to preflights, and the CORS headers of every answer;
//     routecors.go  … those of routes with `cors`
//  5. limits.go    limit the running requests of one client, or 429
//  6. message.go   refuse messages that only HTTP/2 can express, with 400
//  7. find.go      read the canonical path and the host (route/), or 400
//  8. route/       find the route in the table, or 404, or 405
//     addresses.go  or 403 for an address that the route does not allow
//  9. (auth)       decide by the policy, or 401, 403, 503
//     basic.go     or by the password, or 401, 429, 503
//  10. split.go    choose one of several backends
//     forward/     ask it: a server of it, or another one when that fails; see that
//     package's documentation
//     backend/     know the servers, and choose one
//     target/      or answer as the table says, such as with a redirect
//     compress/    compress the answer of either, where the table says so
//     info.go      or answer GET / and GET /health without a backend
//
// A request that should have come over TLS is redirected instead (tohttps.go).
//
// Before that, package listener has accepted the client's connection, within the
// limits that Gateway.Limit reads from the table.
//
// The packages of proxy/http1 implement HTTP/1.1: server for clients, transport for
// backends. Requests that this transport does not support go through net/http's.
// Package upstream pools both kinds of transports, and retires the connections of
// net/http's.
//
// The same code answers questions about a table: decide.go has the same hops and sends
// nothing, answerheader.go has the header of an answer, and contents.go compares the files
// of routes. Package explain writes the answers as text.
//
// errorpages.go replaces the JSON of a refusal with a page of the table, for clients that
// prefer HTML (accept.go).
//
// serveranswers.go answers what net/http's server refuses by itself, before any hop: package
// listener recognizes those answers and asks the Gateway for another. Over HTTP/2, package
// http2conn marks such requests before the server reads them.
//
// Everything that can refuse a request is decided before the request is forwarded. Every
// error that the gateway itself answers is an httperr.Error. Those of this package are in
// refusals.go.
//
// Compile (compile.go) builds a table, which never changes afterwards. The Gateway has
// an atomic pointer to the live table. Swap replaces it. A request loads the pointer
// once, so it never sees two tables.
//
// # Time bounds
//
// This list has every time that the gateway waits for something. A value in capitals is a
// setting, and one in lower case a key of a route; the default is in parentheses. "Armed
// by" names what starts the time. "Ended by" names what normally stops it. Most of these
// times use internal/timerwheel, and may end up to two ticks (100 ms) late.
//
// For a client's connection:
//
//	bound                       value                       armed by                              ended by
//	request head (then 408)     10s                         http1/server readHead, net/http       the end of the head
//	PROXY header                10s (proxyHeaderTimeout)    listener Conn.Begin                   the end of the header
//	first byte, on a TLS port   10s (handshakeTimeout)      listener split                        the byte
//	TLS handshake               10s (handshakeTimeout)      listener handshake                    the end of the handshake
//	request to be redirected    10s                         net/http, set by internal/server      the end of the answer
//	idle, between requests      GATEWAY_IDLE_TIMEOUT (120s) http1/server readHead, net/http       the first byte of the next head
//	no byte accepted            2m (writeStall)             listener Conn.Write                   each write that makes progress
//	lingering close             2s a read, 10s in all       http1/server lingeringClose           the client's close
//	  of a pipelining client    500ms a read                http1/server lingeringClose           the client's close
//	HTTP/2 client without pong  60s (silenceTimeout)        net/http, set by internal/server      any frame
//	requests of operators       40s (opsTimeout)            net/http, set by internal/server      the end of the answer
//
// For a request:
//
//	bound                       value                       armed by                              ended by
//	response header             timeout (60s)               forward Forwarder.Forward              modifyResponse; paused while a body is read
//	silence in both bodies      idle_timeout (5m)           forward modifyResponse                 each piece (Touch); Stop at the end
//	next piece of a body        idle_timeout (5m)           forward clientBody.beginRead            the answer, the end of the body
//	body for a built-in handler 30s (handlerBodyTime)       serveHandler                          the end of the request
//	unread rest of a body       1s (LastReadGrace)          exchange.finish                       the end of the body
//	unread answer, HTTP/2       1m (lastWriteGrace)         deadline Writer.SendRest               the client's window
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
//	HTTP/2 ping                 5m10s, 30s for the pong     net/http, set by upstream             any frame
//	HTTP/2 write                30s (writeTimeout)          net/http, set by upstream             a write that makes progress
//	100 (Continue)              1s                          net/http, set by upstream             the 100
//	end of a sent body          20ms (sendGrace)            http1/transport conn.finish           sendBody returns
//	read after a failed write   1s (writeErrorWait)         socket.DelayWriteErrors               each read
//	answer after a lost backend 1s (answerGrace)            upstream uploadWatch.startTimer       RoundTrip returns
//
// For the servers of a named backend:
//
//	bound                       value                       armed by                              ended by
//	one attempt, to its header  retry.per_try (0)           forward Transfer.timeLeft             modifyResponse
//	all attempts together       timeout (60s)               forward Transfer.timeLeft             modifyResponse
//	before another attempt      up to 1s (longestRetryAfter)  forward Transfer.wait               it has passed
//	place among max_requests    max_wait (1s)               backend queue.wait                    the place
//	first lookup of servers     connect_timeout (10s)       backend AwaitServers                  the lookup
//	one lookup                  10s (lookupTimeout)         backend Registry.lookUp               its answer
//	between two lookups         discover.refresh (10s), ±10%  backend lookUpRepeatedly            -
//	first health check          up to 1s (firstCheck)       backend checker.run                   -
//	between two checks          health.interval (10s), ±10%   backend checker.run                 -
//	one check                   health.timeout (2s)         backend checkInTurn                   its answer
//	ejection                    passive.eject (30s), doubled up to 10 times  backend Backend.eject  -
//	growing share               10s (rampTime)              backend comeBack                      -
//	server that is stopping     3s (leavingTime)            backend Server.Closes                 -
//	streams of a gone server    GATEWAY_SHUTDOWN_TIMEOUT (30s)  backend state.forget              the streams end
//	copy for a mirror           timeout (60s), 1m without   forward mirrored.send                 its answer
//	retries in the budget       10s (budgetSeconds)         backend budget.advance                -
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
