package ops

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gatehouse/config"
)

// Metrics has all metrics of the gateway. Labels are route names and closed
// sets, and never come from a client. It implements proxy.Metrics and
// account.LoginMetrics.
type Metrics struct {
	Registry *prometheus.Registry

	routes   routes
	backends backends
	logins   *prometheus.CounterVec
	http2    http2Errors
	storeUp  prometheus.Gauge
	userFeed prometheus.Gauge

	reloads        *prometheus.CounterVec
	reloadGood     prometheus.Gauge
	reloadGoodTime prometheus.Gauge
	configInfo     *prometheus.GaugeVec
}

// NewMetrics returns the metrics in a registry of their own, with those of the
// process and the Go runtime.
func NewMetrics(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		routes:   routes{series: map[string]*series{}},
		logins:   counter("gatehouse_login_attempts_total", "Attempts to log in, by result.", "result"),
		storeUp: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_store_up", Help: "Whether the store of the users answered when last asked, and could be written.",
		}),
		userFeed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_user_feed_connected", Help: "Whether changes to users are received as they happen.",
		}),
		reloads: counter("gatehouse_config_reloads_total", "Route tables read, by result.", "result"),
		reloadGood: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_config_last_reload_successful", Help: "Whether the route table read last is the one being served.",
		}),
		reloadGoodTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_config_last_reload_success_timestamp_seconds",
			Help: "When the route table being served was read, in seconds since 1970.",
		}),
		configInfo: gauge("gatehouse_config_info", "Always 1; the hash names the route table being served.", "hash"),
	}
	build := gauge("gatehouse_build_info", "Always 1; the labels name the build.", "version", "goversion")
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.http2.byName.get(otherError)
	m.Registry.MustRegister(
		&m.routes, m.logins, &m.http2, m.reloads, m.reloadGood, m.reloadGoodTime, m.configInfo, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// WatchStore adds gatehouse_store_up and gatehouse_user_feed_connected, for a
// gateway with a store.
func (m *Metrics) WatchStore() { m.Registry.MustRegister(m.storeUp, m.userFeed) }

// WatchLog adds gatehouse_log_lines_dropped_total for that writer.
func (m *Metrics) WatchLog(lines *LogWriter) {
	m.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "gatehouse_log_lines_dropped_total", Help: "Log lines lost, as whoever reads the log did not take them.",
	}, func() float64 { return float64(lines.Dropped()) }))
}

// StoreUp sets whether the store answers.
func (m *Metrics) StoreUp(up bool) { m.storeUp.Set(boolValue(up)) }

// UserFeed sets whether changes to users are received.
func (m *Metrics) UserFeed(connected bool) { m.userFeed.Set(boolValue(connected)) }

// TableServed records that this table is served from now on.
func (m *Metrics) TableServed(cfg *config.Config, at time.Time) {
	m.routes.setTable(cfg)
	m.reloads.WithLabelValues("success").Inc()
	m.reloadGood.Set(1)
	m.reloadGoodTime.Set(float64(at.UnixMilli()) / 1000)
	m.configInfo.Reset()
	m.configInfo.WithLabelValues(cfg.Hash).Set(1)
}

// TableRefused records that a table was read and refused.
func (m *Metrics) TableRefused() {
	m.reloads.WithLabelValues("failure").Inc()
	m.reloadGood.Set(0)
}

// Login implements account.LoginMetrics.
func (m *Metrics) Login(result string) { m.logins.WithLabelValues(result).Inc() }

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
