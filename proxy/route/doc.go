// Package route reads what a route is chosen by: the path of a request, in one
// canonical form (path.go), and its host name (host.go). Its functions are pure.
// What two readers could read in two ways is refused here, so that the policy is
// decided on the same bytes that the backend gets.
package route
