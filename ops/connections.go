package ops

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/proxy"
	"gatehouse/proxy/listener"
)

// WatchConnections adds gatehouse_connections_open and
// gatehouse_connections_refused_total, of all public listeners.
func (m *Metrics) WatchConnections(clients *listener.Clients) {
	m.Registry.MustRegister(connectionMetrics{
		clients: clients,
		open:    prometheus.NewDesc("gatehouse_connections_open", "Connections of clients that are open.", nil, nil),
		refused: prometheus.NewDesc("gatehouse_connections_refused_total",
			"Connections of clients that were closed at once or could not be accepted, by the limit that was reached.", []string{"reason"}, nil),
	})
}

// WatchLimits adds gatehouse_limits_refused_total, of the gateway.
func (m *Metrics) WatchLimits(g *proxy.Gateway) {
	m.Registry.MustRegister(limitMetrics{
		gateway: g,
		refused: prometheus.NewDesc("gatehouse_limits_refused_total",
			"Connections and requests of clients that a limit of the route table has refused, by limit.", []string{"limit"}, nil),
	})
}

// limitMetrics reads the gateway's counts at each scrape.
type limitMetrics struct {
	gateway *proxy.Gateway
	refused *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (m limitMetrics) Describe(into chan<- *prometheus.Desc) { into <- m.refused }

// Collect implements prometheus.Collector.
func (m limitMetrics) Collect(into chan<- prometheus.Metric) {
	for i, count := range m.gateway.LimitRefusals() {
		into <- prometheus.MustNewConstMetric(m.refused, prometheus.CounterValue, float64(count), string(proxy.Limits[i]))
	}
}

// connectionMetrics reads the counts at each scrape.
type connectionMetrics struct {
	clients       *listener.Clients
	open, refused *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (m connectionMetrics) Describe(into chan<- *prometheus.Desc) {
	into <- m.open
	into <- m.refused
}

// Collect implements prometheus.Collector.
func (m connectionMetrics) Collect(into chan<- prometheus.Metric) {
	into <- prometheus.MustNewConstMetric(m.open, prometheus.GaugeValue, float64(m.clients.Open()))
	for i, count := range m.clients.Refused() {
		into <- prometheus.MustNewConstMetric(m.refused, prometheus.CounterValue, float64(count), string(listener.RefusalReasons[i]))
	}
}
