// This file has the metrics of each route. A request finds its route's counters
// without a lock and without comparing labels. Prometheus' own vectors would
// look up some counters by their labels, and use several times as much memory per
// route.

package ops

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/proxy"
	"gatehouse/proxy/forward"
)

// routes holds the series of all routes, by name. It is a prometheus.Collector.
type routes struct {
	mu     sync.Mutex
	series map[string]*series
}

// series are the metrics of one route name, across all tables that have the
// route.
type series struct {
	name      string
	began     time.Time
	inFlight  atomic.Int64
	bytes     atomic.Int64 // sent to clients
	received  atomic.Int64 // bytes
	mirrored  [forward.MirrorResults]atomic.Uint64
	durations histogram
	headers   histogram                           // time to a backend's response header; empty without a backend
	failures  [len(httperr.Reasons)]atomic.Uint64 // in the order of httperr.Reasons
	answers   copyOnWriteMap[answer, atomic.Uint64]
	decisions copyOnWriteMap[auth.Result, atomic.Uint64]
	down      copyOnWriteMap[string, atomic.Bool] // by backend; a new backend is assumed to be up
	removed   bool                                // the served table has no such route; protected by the lock of the routes
}

// Route implements proxy.Metrics. In a table of ten thousand routes, few get
// many requests. So the series of a route are made by its first request, and a
// table that is only compiled makes none. The series of requests without a
// route exist from the start.
func (m *Metrics) Route(name, backend string) proxy.RouteMetrics {
	r := &routeMetrics{routes: &m.routes, name: name, backend: backend}
	if name == proxy.NoRoute {
		r.get()
	}
	return r
}

// routeMetrics are the instruments of one route in one table.
type routeMetrics struct {
	routes        *routes
	name, backend string // backend is "" without one
	found         atomic.Pointer[instruments]
}

// instruments are what the requests of one route in one table update.
type instruments struct {
	*series
	down *atomic.Bool // of the backend; nil without one
}

// get returns the instruments. Only the first call takes a lock.
func (r *routeMetrics) get() *instruments {
	found := r.found.Load()
	if found == nil {
		found = &instruments{series: r.routes.find(r.name)}
		if r.backend != "" {
			found.down = found.series.down.get(r.backend)
		}
		r.found.Store(found)
	}
	return found
}

func (r *routeMetrics) Started() { r.get().inFlight.Add(1) }

func (r *routeMetrics) Finished(method string, status int, duration time.Duration, bytes int64) {
	i := r.get()
	i.durations.observe(duration.Seconds())
	i.bytes.Add(bytes)
	i.answers.get(answerOf(method, status)).Add(1)
	i.inFlight.Add(-1)
}

func (r *routeMetrics) Failed(reason httperr.Reason) {
	if at := slices.Index(httperr.Reasons[:], reason); at >= 0 {
		r.get().failures[at].Add(1)
	}
}

func (r *routeMetrics) ResponseHeader(after time.Duration) { r.get().headers.observe(after.Seconds()) }

func (r *routeMetrics) Mirrored(result forward.MirrorResult) { r.get().mirrored[result].Add(1) }

func (r *routeMetrics) Received(bytes int64) { r.get().received.Add(bytes) }

func (r *routeMetrics) Sent(bytes int64) { r.get().bytes.Add(bytes) }

func (r *routeMetrics) Decided(result auth.Result) { r.get().decisions.get(result).Add(1) }

func (r *routeMetrics) Backend(up bool) { r.get().down.Store(!up) }

// find returns the series of a route, and makes them if necessary.
func (r *routes) find(name string) *series {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.series[name]
	if s == nil {
		s = &series{name: name, began: time.Now()}
		r.series[name] = s
	}
	s.removed = false // a table has it that is not served yet
	return s
}

// setTable removes the series that the new table does not have. Otherwise a
// table that keeps renaming its routes would add series without end. The gauge
// of a removed backend is removed at once, because that backend no longer
// matters. A removed route is reported once more after its last request has
// ended (see Collect). If it was not scraped by then, the next table removes
// it. A request that still uses removed series does no harm.
func (r *routes) setTable(cfg *config.Config) {
	backends := make(map[string]string, len(cfg.Routes)+2)
	backends[proxy.NoRoute], backends[proxy.HTTPSRoute] = "", ""
	for i := range cfg.Routes {
		backends[cfg.Routes[i].Name] = backendOf(&cfg.Routes[i])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, s := range r.series {
		backend, has := backends[name]
		s.down.keepOnly(backend)
		if !has && s.isRemovable() {
			delete(r.series, name)
		}
		s.removed = !has
	}
}

// backendOf returns the name of a route's backend, or "" when it has none.
func backendOf(route *config.Route) string { return route.Backend.Label() }

// isRemovable reports whether the route was removed and has no open request.
func (s *series) isRemovable() bool { return s.removed && s.inFlight.Load() == 0 }

// methods are the labels for a request's method. The last one stands for all
// others, because a client could invent any number of them.
var methods = [...]string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace, "_OTHER",
}

// answer combines a status code and the index of a method. There are at most
// ten thousand, because a backend's code has three digits.
type answer int

func answerOf(method string, status int) answer {
	place := slices.Index(methods[:], method)
	if place < 0 {
		place = len(methods) - 1
	}
	return answer(status*len(methods) + place)
}

func (a answer) method() string { return methods[int(a)%len(methods)] }

func (a answer) code() string { return strconv.Itoa(int(a) / len(methods)) }

// The metrics of routes.
var (
	requestsTotal = prometheus.NewDesc("gatehouse_http_requests_total",
		"Requests answered, by route, method and status code.", []string{"route", "method", "code"}, nil)
	requestDuration = prometheus.NewDesc("gatehouse_http_request_duration_seconds",
		"Time from a request's headers to the end of its answer; of a stream (WebSocket, server-sent events, gRPC), to its headers.", []string{"route"}, nil)
	requestsInFlight = prometheus.NewDesc("gatehouse_http_requests_in_flight",
		"Requests that have no complete answer yet.", []string{"route"}, nil)
	responseBytes = prometheus.NewDesc("gatehouse_http_response_bytes_total",
		"Bytes of response bodies and on upgraded connections sent to clients.", []string{"route"}, nil)
	requestBytes = prometheus.NewDesc("gatehouse_http_request_bytes_total",
		"Bytes of request bodies and on upgraded connections received from clients.", []string{"route"}, nil)
	responseHeader = prometheus.NewDesc("gatehouse_backend_response_header_seconds",
		"Time from the start of forwarding a request to the backend's response header, with connecting and sending.", []string{"route"}, nil)
	gatewayErrors = prometheus.NewDesc("gatehouse_gateway_errors_total",
		"Requests that the gateway itself answered with a 5xx, by reason.", []string{"route", "reason"}, nil)
	authDecisions = prometheus.NewDesc("gatehouse_auth_decisions_total",
		"Verdicts of the routes' policies, by result.", []string{"route", "result"}, nil)
	mirrorRequests = prometheus.NewDesc("gatehouse_mirror_requests_total",
		"Copies of requests for another backend, by result.", []string{"route", "result"}, nil)
	backendUp = prometheus.NewDesc("gatehouse_backend_up",
		"Whether the backend could be reached, and spoke HTTP, when last tried.", []string{"route", "backend"}, nil)
)

// Describe implements prometheus.Collector.
func (r *routes) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		requestsTotal, requestDuration, requestsInFlight, requestBytes, responseBytes, responseHeader, gatewayErrors, authDecisions, mirrorRequests, backendUp,
	} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (r *routes) Collect(metrics chan<- prometheus.Metric) {
	r.mu.Lock()
	all := make([]*series, 0, len(r.series))
	for name, s := range r.series {
		all = append(all, s)
		if s.isRemovable() {
			delete(r.series, name) // reported for the last time
		}
	}
	r.mu.Unlock()
	for _, s := range all {
		s.collect(metrics)
	}
}

func (s *series) collect(metrics chan<- prometheus.Metric) {
	count := func(what *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetricWithCreatedTimestamp(what, prometheus.CounterValue, value, s.began, labels...)
	}
	gauge := func(what *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(what, prometheus.GaugeValue, value, labels...)
	}
	gauge(requestsInFlight, float64(s.inFlight.Load()), s.name)
	count(requestBytes, float64(s.received.Load()), s.name)
	count(responseBytes, float64(s.bytes.Load()), s.name)
	for answer, n := range s.answers.all() {
		count(requestsTotal, float64(n.Load()), s.name, answer.method(), answer.code())
	}
	for i, reason := range httperr.Reasons { // also those that have not happened, so that the first one is an increase
		count(gatewayErrors, float64(s.failures[i].Load()), s.name, string(reason))
	}
	for result, n := range s.decisions.all() {
		count(authDecisions, float64(n.Load()), s.name, string(result))
	}
	s.collectMirrored(count)
	for backend, down := range s.down.all() {
		gauge(backendUp, boolValue(!down.Load()), s.name, backend)
	}
	if total, sum, buckets := s.headers.read(); total > 0 {
		metrics <- prometheus.MustNewConstHistogramWithCreatedTimestamp(responseHeader, total, sum, buckets, s.began, s.name)
	}
	total, sum, buckets := s.durations.read()
	metrics <- prometheus.MustNewConstHistogramWithCreatedTimestamp(requestDuration, total, sum, buckets, s.began, s.name)
}

// collectMirrored reports the copies of requests, from the first one on.
func (s *series) collectMirrored(count func(what *prometheus.Desc, value float64, labels ...string)) {
	var counts [forward.MirrorResults]uint64
	total := uint64(0)
	for result := range counts {
		counts[result] = s.mirrored[result].Load()
		total += counts[result]
	}
	if total == 0 {
		return
	}
	for result, n := range counts {
		count(mirrorRequests, float64(n), s.name, forward.MirrorResult(result).String())
	}
}
