// Package route finds the route of a request. It reads the path in one canonical form
// and the host name, and matches both against a table that never changes. Its functions
// are pure. It refuses a path that two programs could read in two ways. So the policy
// is applied to the same path that the backend reads.
//
//	path.go   the canonical path, and how a careless backend would read it
//	host.go   the host name
//	table.go  the table, and the outcome of a match
//	index.go  how the table finds a route: by segment, then by host
//	route.go  what one route requires of a request
//	order.go  the order in which routes are tried
package route
