// Package rewrite replaces the path of a request on its way to a backend, and maps the
// paths in the backend's answer back.
//
//	path.go      the path that a backend gets instead of the client's
//	location.go  Location, Content-Location and the paths of cookies
//
// The new path is forwarded, not matched again. It passes the same check as a path of a
// client: when it is not canonical, the request is refused.
package rewrite
