// Package ops is what operators look at, on a listener of their own: metrics
// for Prometheus (metrics.go), health for Kubernetes (health.go) and the table
// as it is served (routes.go), put together by Handler (handler.go). And what
// they read: logwriter.go writes the log, accesslog.go its lines about requests.
package ops
