// Package route finds the route of a request. It reads what a route is chosen by,
// the path in one canonical form and the host name, and matches them against a
// table that never changes. Its functions are pure. What two readers could read
// in two ways is refused here, so that the policy is decided on the same bytes
// that the backend gets.
//
//	path.go   the canonical path, and what a careless backend would read in it
//	host.go   the host name
//	table.go  the table, and what becomes of a request
//	index.go  how the table finds a route: by segment, then by host
//	route.go  what one route asks of a request
//	order.go  the order in which routes are tried
package route
