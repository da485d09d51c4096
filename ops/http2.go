package ops

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// maxHTTP2Errors bounds the labels of gatehouse_http2_errors_total. They are the codes of
// RFC 9113 section 7, and net/http may send others in a later version. otherError stands
// for all further ones.
const (
	maxHTTP2Errors = 64
	otherError     = "other"
)

var http2ErrorsTotal = prometheus.NewDesc("gatehouse_http2_errors_total",
	"Streams and connections of HTTP/2 clients that were ended because of an error in the protocol, by error.", []string{"error"}, nil)

// http2Errors counts the errors of HTTP/2 clients that cannot be answered. It is a
// prometheus.Collector.
type http2Errors struct {
	byName copyOnWriteMap[string, atomic.Uint64]
}

// HTTP2Error is the Ended of http2conn.Options.
func (m *Metrics) HTTP2Error(name string) {
	if entries, _, found := m.http2.byName.search(name); !found && len(entries) >= maxHTTP2Errors {
		name = otherError
	}
	m.http2.byName.get(name).Add(1)
}

// Describe implements prometheus.Collector.
func (e *http2Errors) Describe(into chan<- *prometheus.Desc) { into <- http2ErrorsTotal }

// Collect implements prometheus.Collector.
func (e *http2Errors) Collect(into chan<- prometheus.Metric) {
	for name, n := range e.byName.all() {
		into <- prometheus.MustNewConstMetric(http2ErrorsTotal, prometheus.CounterValue, float64(n.Load()), name)
	}
}
