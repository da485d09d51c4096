package ops

// This file reports the keys of other issuers. Without keys, every token of
// their issuer is answered 503.

import (
	"strconv"
	"strings"
	"time"

	"gatehouse/auth/keys"

	"github.com/prometheus/client_golang/prometheus"
)

// issuerWait determines whether missing keys of issuers make the gateway
// unready. They do so only for a limited time after the start. Later, and when
// a reload adds an issuer, they are only a note, because the gateway's other
// work goes on.
type issuerWait struct {
	states func() []keys.IssuerState // nil when there are none to wait for
	limit  time.Duration             // how long a start waits for keys
	since  time.Time                 // when the table was first served
	done   bool                      // the start no longer waits
}

// AwaitIssuers makes readiness wait until the keys of each issuer were read
// once, for a bounded time after the start.
func (h *Health) AwaitIssuers(states func() []keys.IssuerState, bound time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.issuers.states, h.issuers.limit = states, bound
}

// report adds the state of the issuers to readiness.
func (i *issuerWait) report(r *readiness, now time.Time) {
	if i.states == nil || i.since.IsZero() {
		return
	}
	late := now.Sub(i.since) >= i.limit
	unread := 0
	for _, state := range i.states() {
		keys := "the keys of issuer " + strconv.Quote(state.Issuer)
		why := ""
		if state.Problem != nil {
			why = ": " + state.Problem.Error()
		}
		switch {
		case !state.LastSuccess.IsZero() && state.Problem != nil:
			r.Notes = append(r.Notes, keys+" cannot be read anew"+why+"; those of "+state.LastSuccess.UTC().Format(time.RFC3339)+" are used")
		case !state.LastSuccess.IsZero():
		case i.done || late:
			r.Notes = append(r.Notes, keys+" were never read, so that its tokens are answered 503"+why)
		default:
			unread++
			r.Reasons = append(r.Reasons, keys+" were not read yet"+why)
		}
	}
	i.done = i.done || unread == 0
}

// WatchIssuers adds gatehouse_issuer_keys and
// gatehouse_issuer_keys_last_success_timestamp_seconds for the issuers of the
// served table.
func (m *Metrics) WatchIssuers(states func() []keys.IssuerState) {
	m.Registry.MustRegister(issuerMetrics{
		states: states,
		keys: prometheus.NewDesc("gatehouse_issuer_keys",
			"Keys of an issuer in `tokens` that are known; 0 until they were read.", []string{"issuer"}, nil),
		lastSuccess: prometheus.NewDesc("gatehouse_issuer_keys_last_success_timestamp_seconds",
			"When the keys of an issuer were last read, in seconds since 1970; 0 until they were.", []string{"issuer"}, nil),
	})
}

// issuerMetrics reads the states at each scrape. The labels are names from the
// table.
type issuerMetrics struct {
	states            func() []keys.IssuerState
	keys, lastSuccess *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (m issuerMetrics) Describe(into chan<- *prometheus.Desc) {
	into <- m.keys
	into <- m.lastSuccess
}

// Collect implements prometheus.Collector.
func (m issuerMetrics) Collect(into chan<- prometheus.Metric) {
	for _, state := range m.states() {
		at, issuer := 0.0, strings.ToValidUTF8(state.Issuer, "\uFFFD") // a variable may contain anything, a label must be UTF-8
		if !state.LastSuccess.IsZero() {
			at = float64(state.LastSuccess.UnixMilli()) / 1000
		}
		into <- prometheus.MustNewConstMetric(m.keys, prometheus.GaugeValue, float64(state.Keys), issuer)
		into <- prometheus.MustNewConstMetric(m.lastSuccess, prometheus.GaugeValue, at, issuer)
	}
}
