package ops

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/proxy/backend"
)

// backends has the histograms of attempts at named backends.
type backends struct {
	mu     sync.Mutex
	byName map[string]*attempts
}

// attempts implements backend.Attempts.
type attempts struct{ durations histogram }

// Attempted implements backend.Attempts.
func (a *attempts) Attempted(after time.Duration) { a.durations.observe(after.Seconds()) }

// Attempts implements backend.Metrics.
func (m *Metrics) Attempts(name string) backend.Attempts { return m.backends.of(name) }

// of returns the histogram of a backend. It makes one for a new name.
func (b *backends) of(name string) *attempts {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.byName[name]
	if known == nil {
		known = new(attempts)
		if b.byName == nil {
			b.byName = map[string]*attempts{}
		}
		b.byName[name] = known
	}
	return known
}

// WatchBackends adds the metrics of named backends. live returns those of the live table.
func (m *Metrics) WatchBackends(live func() backend.Set) {
	m.Registry.MustRegister(&backendCollector{backends: &m.backends, live: live})
}

// backendCollector reads what is known about backends when it is asked for metrics. It is a
// prometheus.Collector.
type backendCollector struct {
	backends *backends
	live     func() backend.Set
}

var (
	serverUp          = prometheus.NewDesc("gatehouse_backend_server_up", "Whether the server gets requests: it is healthy, and neither ejected nor drained.", []string{"backend", "server"}, nil)
	serverRequests    = prometheus.NewDesc("gatehouse_backend_requests_total", "Attempts at a server, by result.", []string{"backend", "server", "result"}, nil)
	attemptDuration   = prometheus.NewDesc("gatehouse_backend_request_duration_seconds", "Time of an attempt until the response header or the failure.", []string{"backend"}, nil)
	backendInFlight   = prometheus.NewDesc("gatehouse_backend_requests_in_flight", "Requests that the servers are answering, streams included.", []string{"backend"}, nil)
	backendWaiting    = prometheus.NewDesc("gatehouse_backend_requests_waiting", "Requests that wait for a place among max_requests.", []string{"backend"}, nil)
	backendRetries    = prometheus.NewDesc("gatehouse_backend_retries_total", "Requests that were sent again, by result; exhausted ones found the budget used up.", []string{"backend", "result"}, nil)
	backendEjections  = prometheus.NewDesc("gatehouse_backend_ejections_total", "Servers that were taken out because requests to them failed.", []string{"backend"}, nil)
	backendRejected   = prometheus.NewDesc("gatehouse_backend_rejected_total", "Requests that found no place among max_requests.", []string{"backend"}, nil)
	backendPanic      = prometheus.NewDesc("gatehouse_backend_panic", "Whether no server is healthy, so that all get requests.", []string{"backend"}, nil)
	backendDiscovered = prometheus.NewDesc("gatehouse_backend_discovery_up", "Whether the last lookup of servers was good.", []string{"backend"}, nil)
)

// Describe implements prometheus.Collector.
func (c *backendCollector) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		serverUp, serverRequests, attemptDuration, backendInFlight, backendWaiting, backendRetries, backendEjections, backendRejected, backendPanic, backendDiscovered,
	} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *backendCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
	}
	for _, b := range c.live().All() {
		name, counts := b.Name(), b.Counts()
		for _, s := range b.Members() {
			state := s.State()
			gauge(serverUp, boolValue(state.Healthy && !state.Ejected && !state.Drained), name, s.ID())
			for _, result := range backend.Results() {
				counter(serverRequests, s.Count(result), name, s.ID(), result.String())
			}
		}
		count, sum, buckets := c.backends.of(name).durations.read()
		to <- prometheus.MustNewConstHistogram(attemptDuration, count, sum, buckets, name)
		gauge(backendInFlight, float64(counts.InFlight), name)
		gauge(backendWaiting, float64(counts.Waiting), name)
		for _, result := range backend.RetryResults() {
			counter(backendRetries, counts.Retries[result], name, result.String())
		}
		counter(backendEjections, counts.Ejections, name)
		counter(backendRejected, counts.Rejected, name)
		gauge(backendPanic, boolValue(b.Panicked()), name)
		if d, ok := b.Discovery(); ok {
			gauge(backendDiscovered, boolValue(d.Err == nil), name)
		}
	}
}
