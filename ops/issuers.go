package ops

// This file tells of the keys of other issuers: without them, every token of
// theirs is answered 503.

import (
	"strconv"
	"strings"
	"time"

	"gatehouse/auth/keys"

	"github.com/prometheus/client_golang/prometheus"
)

// issuerWait says whether the keys of the issuers keep a gateway from being
// ready. They do at its start alone, and for a while: later, and when a reload
// adds an issuer, whatever else the gateway does goes on, and there is a note.
type issuerWait struct {
	states func() []keys.IssuerState // nil where nobody asks
	limit  time.Duration             // how long a start waits for keys
	since  time.Time                 // when the table was first served
	done   bool                      // the start waits no longer
}

// AwaitIssuers has readiness wait until the keys of each issuer were read once,
// for a bounded time after the start.
func (h *Health) AwaitIssuers(states func() []keys.IssuerState, bound time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.issuers.states, h.issuers.limit = states, bound
}

// report adds what the issuers mean to readiness.
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
// table that is served.
func (m *Metrics) WatchIssuers(states func() []keys.IssuerState) {
	m.Registry.MustRegister(issuerMetrics{
		states: states,
		keys: prometheus.NewDesc("gatehouse_issuer_keys",
			"Keys of an issuer in `tokens` that are known; 0 until they were read.", []string{"issuer"}, nil),
		lastSuccess: prometheus.NewDesc("gatehouse_issuer_keys_last_success_timestamp_seconds",
			"When the keys of an issuer were last read, in seconds since 1970; 0 until they were.", []string{"issuer"}, nil),
	})
}

// issuerMetrics asks for the states when it is scraped. The labels are names of
// the table.
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
		at, issuer := 0.0, strings.ToValidUTF8(state.Issuer, "\uFFFD") // a variable may hold anything, a label may not
		if !state.LastSuccess.IsZero() {
			at = float64(state.LastSuccess.UnixMilli()) / 1000
		}
		into <- prometheus.MustNewConstMetric(m.keys, prometheus.GaugeValue, float64(state.Keys), issuer)
		into <- prometheus.MustNewConstMetric(m.lastSuccess, prometheus.GaugeValue, at, issuer)
	}
}
