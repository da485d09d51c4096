// Package ops serves operators on a listener of their own: metrics for
// Prometheus (metrics.go), health for Kubernetes (health.go) and the served
// table (routes.go). Handler (handler.go) combines them. The package also
// writes the log (logwriter.go) and the access lines in it (accesslog.go).
package ops
