package proxy

import (
	"time"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/forward"
)

// NoRoute is the label of requests that matched no route.
const NoRoute = "_none"

// Metrics returns the counters of routes.
type Metrics interface {
	// Route returns the counters of a route. It is called once for each route when a
	// table is compiled, so that requests need no lookup. The counters of a route must
	// not appear before they are used, because the table may still be refused.
	// Routes of the same name in several tables share their counters.
	Route(name, backend string) RouteMetrics
	backend.Metrics
}

// RouteMetrics are the counters of one route. Implementations must be safe for concurrent
// use.
type RouteMetrics interface {
	// Started is called when a request begins. The request is running until Finished.
	Started()
	// Finished is called when a request has ended, with its method as sent, its status,
	// its duration and the size of the answer's body in bytes. The duration of a
	// stream, such as a WebSocket or an event stream, ends with the header of its
	// answer.
	Finished(method string, status int, duration time.Duration, bytes int64)
	// Failed is called when the gateway itself has answered with a 5xx.
	Failed(reason httperr.Reason)
	// Decided is called with a decision of the policy.
	Decided(result auth.Result)
	// Metrics counts what package forward sees of a request.
	forward.Metrics
}
