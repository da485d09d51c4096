package proxy

import (
	"time"

	"gatehouse/auth"
)

// NoRoute is the label of requests that matched no route.
const NoRoute = "_none"

// Metrics hands out the instruments of a route, once for each when a table is
// compiled, so that a request looks up none. Nothing may be counted with them
// yet: the table may be refused. A route of the same name counts on where that
// of another table is.
type Metrics interface {
	Route(name, backend string) RouteMetrics
}

// RouteMetrics are the instruments of one route. They are safe for concurrent use.
type RouteMetrics interface {
	// Started counts a request in flight, until Finished.
	Started()
	// Finished counts a request: its method as sent, status, duration, and the
	// bytes of body answered. The duration of a stream, such as a WebSocket or an
	// event stream, ends with the header of its answer.
	Finished(method string, status int, duration time.Duration, bytes int64)
	// Sent counts bytes sent on an upgraded connection, as they pass.
	Sent(bytes int64)
	// Decided counts a verdict of the policy.
	Decided(result auth.Result)
	// Backend tells whether the backend could be connected to just now.
	Backend(up bool)
}
