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
	// bytes of body answered.
	Finished(method string, status int, duration time.Duration, bytes int64)
	// Decided counts a verdict of the policy.
	Decided(result auth.Result)
	// Backend tells whether the backend could be connected to just now.
	Backend(up bool)
}
