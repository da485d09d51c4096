package ops

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// WatchCertificates adds gatehouse_certificate_expiry_timestamp_seconds for the
// certificates that the gateway serves or presents now, by name.
func (m *Metrics) WatchCertificates(expiries func() map[string]time.Time) {
	m.Registry.MustRegister(certificateMetrics{expiries, prometheus.NewDesc("gatehouse_certificate_expiry_timestamp_seconds",
		"When a certificate that is served to clients or presented to backends expires, or one of its chain, in seconds since 1970.",
		[]string{"name"}, nil)})
}

// certificateMetrics reads the certificates at each scrape. Their names are
// those of the setting and of the table's routes.
type certificateMetrics struct {
	expiries func() map[string]time.Time
	desc     *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (m certificateMetrics) Describe(into chan<- *prometheus.Desc) { into <- m.desc }

// Collect implements prometheus.Collector.
func (m certificateMetrics) Collect(into chan<- prometheus.Metric) {
	for name, expires := range m.expiries() {
		name = strings.ToValidUTF8(name, "\uFFFD")
		into <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, float64(expires.Unix()), name)
	}
}
