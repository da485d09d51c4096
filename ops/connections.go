package ops

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/proxy/listener"
)

// WatchConnections adds gatehouse_connections_open and
// gatehouse_connections_refused_total, of the public listener.
func (m *Metrics) WatchConnections(l *listener.Listener) {
	m.Registry.MustRegister(connectionMetrics{
		listener: l,
		open:     prometheus.NewDesc("gatehouse_connections_open", "Connections of clients that are open.", nil, nil),
		refused: prometheus.NewDesc("gatehouse_connections_refused_total",
			"Connections of clients that were closed at once or could not be accepted, by the limit that was reached.", []string{"reason"}, nil),
	})
}

// connectionMetrics reads the listener's counts at each scrape.
type connectionMetrics struct {
	listener      *listener.Listener
	open, refused *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (m connectionMetrics) Describe(into chan<- *prometheus.Desc) {
	into <- m.open
	into <- m.refused
}

// Collect implements prometheus.Collector.
func (m connectionMetrics) Collect(into chan<- prometheus.Metric) {
	into <- prometheus.MustNewConstMetric(m.open, prometheus.GaugeValue, float64(m.listener.Open()))
	for i, count := range m.listener.Refused() {
		into <- prometheus.MustNewConstMetric(m.refused, prometheus.CounterValue, float64(count), string(listener.RefusalReasons[i]))
	}
}
