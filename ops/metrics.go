package ops

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/proxy"
)

// durationBuckets, in seconds, reach from a cached answer to the default
// timeout of a route.
var durationBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// otherMethod is the label of a method that is not one of HTTP's own: a client
// could invent any number of them.
const otherMethod = "_OTHER"

// Metrics are all that the gateway counts. Labels are route names and closed
// sets, never anything a client sends. It implements proxy.Metrics and
// auth.LoginMetrics.
type Metrics struct {
	Registry *prometheus.Registry

	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	inFlight  *prometheus.GaugeVec
	bytes     *prometheus.CounterVec
	decisions *prometheus.CounterVec
	logins    *prometheus.CounterVec
	backends  *prometheus.GaugeVec
	storeUp   prometheus.Gauge
	userFeed  prometheus.Gauge

	reloads        *prometheus.CounterVec
	reloadGood     prometheus.Gauge
	reloadGoodTime prometheus.Gauge
	configInfo     *prometheus.GaugeVec
}

// NewMetrics makes the metrics, registered with a registry of their own
// beside those of the process and the Go runtime.
func NewMetrics(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: counter("gatehouse_http_requests_total",
			"Requests answered, by route, method and status code.", "route", "method", "code"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gatehouse_http_request_duration_seconds",
			Help:    "Time from a request's headers to the end of its answer.",
			Buckets: durationBuckets,
		}, []string{"route"}),
		inFlight: gauge("gatehouse_http_requests_in_flight", "Requests that have no complete answer yet.", "route"),
		bytes: counter("gatehouse_http_response_bytes_total",
			"Bytes of response bodies sent to clients.", "route"),
		decisions: counter("gatehouse_auth_decisions_total",
			"Verdicts of the routes' policies, by result.", "route", "result"),
		logins:   counter("gatehouse_login_attempts_total", "Attempts to log in, by result.", "result"),
		backends: gauge("gatehouse_backend_up", "Whether the backend could be connected to when last tried.", "route", "backend"),
		storeUp: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_store_up", Help: "Whether the store of the users answered when last asked.",
		}),
		userFeed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_user_feed_connected", Help: "Whether changes to users are heard of as they happen.",
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
	m.Registry.MustRegister(
		m.requests, m.duration, m.inFlight, m.bytes, m.decisions, m.logins, m.backends,
		m.reloads, m.reloadGood, m.reloadGoodTime, m.configInfo, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// WatchStore adds gatehouse_store_up and gatehouse_user_feed_connected, for a
// gateway that has a store.
func (m *Metrics) WatchStore() { m.Registry.MustRegister(m.storeUp, m.userFeed) }

// WatchLog adds gatehouse_log_lines_dropped_total, for a log of that writer.
func (m *Metrics) WatchLog(lines *LogWriter) {
	m.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "gatehouse_log_lines_dropped_total", Help: "Log lines lost, as whoever reads the log did not take them.",
	}, func() float64 { return float64(lines.Dropped()) }))
}

// StoreUp sets whether the store answers.
func (m *Metrics) StoreUp(up bool) { m.storeUp.Set(boolValue(up)) }

// UserFeed sets whether changes to users are heard of.
func (m *Metrics) UserFeed(connected bool) { m.userFeed.Set(boolValue(connected)) }

// Serving records that a table is being served from now on.
func (m *Metrics) Serving(cfg *config.Config, at time.Time) {
	m.reloads.WithLabelValues("success").Inc()
	m.reloadGood.Set(1)
	m.reloadGoodTime.Set(float64(at.UnixMilli()) / 1000)
	m.configInfo.Reset()
	m.configInfo.WithLabelValues(cfg.Hash).Set(1)
}

// Refused records that a table was read and is not served.
func (m *Metrics) Refused() {
	m.reloads.WithLabelValues("failure").Inc()
	m.reloadGood.Set(0)
}

// Login implements auth.LoginMetrics.
func (m *Metrics) Login(result string) { m.logins.WithLabelValues(result).Inc() }

// Route implements proxy.Metrics.
func (m *Metrics) Route(name, backend string) proxy.RouteMetrics {
	r := &routeMetrics{
		name:      name,
		requests:  m.requests.MustCurryWith(prometheus.Labels{"route": name}),
		decisions: m.decisions.MustCurryWith(prometheus.Labels{"route": name}),
		duration:  m.duration.WithLabelValues(name),
		inFlight:  m.inFlight.WithLabelValues(name),
		bytes:     m.bytes.WithLabelValues(name),
	}
	if backend != "" {
		r.backend = m.backends.WithLabelValues(name, backend)
		r.backend.Set(1) // nothing is known against it
	}
	return r
}

// routeMetrics are the instruments of one route.
type routeMetrics struct {
	name      string
	requests  *prometheus.CounterVec
	decisions *prometheus.CounterVec
	duration  prometheus.Observer
	inFlight  prometheus.Gauge
	bytes     prometheus.Counter
	backend   prometheus.Gauge // nil without a backend
}

func (r *routeMetrics) Started() { r.inFlight.Inc() }

func (r *routeMetrics) Finished(method string, status int, duration time.Duration, bytes int64) {
	r.inFlight.Dec()
	r.duration.Observe(duration.Seconds())
	r.bytes.Add(float64(bytes))
	r.requests.WithLabelValues(methodLabel(method), strconv.Itoa(status)).Inc()
}

func (r *routeMetrics) Decided(result auth.Result) {
	r.decisions.WithLabelValues(string(result)).Inc()
}

func (r *routeMetrics) Backend(up bool) { r.backend.Set(boolValue(up)) }

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return otherMethod
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
