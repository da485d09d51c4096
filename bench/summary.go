package main

// This file makes one line of all that was measured of a gateway.

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// summary of a gateway in one workload: medians over the rounds.
type summary struct {
	name           string
	perSecond      float64
	cost           float64 // CPU µs per request, or KiB per connection
	ratio          float64 // of the cost to that of the bare proxy in the same round
	least, largest float64 // ratio in any round
	same           float64 // the ratio to the bare proxy that was sent the same requests
	p50, p99       time.Duration
	peak           int64 // bytes; the highest
	failed         int64 // requests, in all rounds
	events         int   // reloads, in all rounds
	err            error // why there is nothing, or not all of it
}

// unit is that of the workload's cost.
func (w workload) unit() string {
	if w.idle {
		return "KiB/connection"
	}
	return "CPU µs/request"
}

// perSecond is how many requests were answered.
func (m measurement) perSecond() float64 {
	return float64(m.count.requests) / max(m.count.took.Seconds(), 1e-9)
}

// summaries are in the order of the entrants.
func (r result) summaries() []summary {
	bare := map[bool][]measurement{} // with tokens, and without
	for _, e := range r.entrants {
		if e.isBare() {
			bare[e.strict] = e.measurements
		}
	}
	var all []summary
	for _, e := range r.entrants {
		s := summarize(e)
		ratios := e.against(bare[false])
		s.ratio, s.same = median(ratios), median(e.against(bare[e.strict]))
		if len(ratios) > 0 {
			s.least, s.largest = slices.Min(ratios), slices.Max(ratios)
		}
		all = append(all, s)
	}
	return all
}

// against are the ratios of the costs to those of another, round for round.
func (e *entrant) against(other []measurement) []float64 {
	var ratios []float64
	for round, m := range e.measurements {
		if round < len(other) && other[round].cost > 0 {
			ratios = append(ratios, m.cost/other[round].cost)
		}
	}
	return ratios
}

func summarize(e *entrant) summary {
	s := summary{name: e.name, err: e.err}
	var rates, costs []float64
	var p50s, p99s []time.Duration
	for _, m := range e.measurements {
		rates, costs = append(rates, m.perSecond()), append(costs, m.cost)
		p50s = append(p50s, m.count.latencies.quantile(0.50))
		p99s = append(p99s, m.count.latencies.quantile(0.99))
		s.peak = max(s.peak, m.peak)
		s.failed += m.count.failed
		s.events += m.events
		if m.count.failure != nil && s.err == nil {
			s.err = m.count.failure
		}
	}
	s.perSecond, s.cost = median(rates), median(costs)
	s.p50, s.p99 = median(p50s), median(p99s)
	return s
}

// median is the mean of the middle two where there is no middle one, and 0 of nothing.
func median[T float64 | time.Duration](of []T) T {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// grid is the summaries as a table.
func (r result) grid() grid {
	g := grid{head: []string{"gateway", "requests/s", r.workload.unit(), "against bare", "rounds min..max", "same request", "p50 ms", "p99 ms", "peak MiB", "failed"}}
	if r.workload.idle {
		g.head = []string{"gateway", r.workload.unit(), "against bare", "rounds min..max", "peak MiB"}
	}
	for _, s := range r.summaries() {
		cost, ratio, spread := fmt.Sprintf("%.1f", s.cost), fmt.Sprintf("%.2f", s.ratio), fmt.Sprintf("%.2f..%.2f", s.least, s.largest)
		peak := fmt.Sprintf("%.0f", float64(s.peak)/(1<<20))
		same := fmt.Sprintf("%.2f", s.same)
		row := []string{s.name, thousands(s.perSecond), cost, ratio, spread, same, milliseconds(s.p50), milliseconds(s.p99), peak, fmt.Sprint(s.failed)}
		if r.workload.idle {
			row = []string{s.name, cost, ratio, spread, peak}
		}
		g.rows = append(g.rows, row)
		if s.err != nil {
			g.notes = append(g.notes, s.name+": "+s.err.Error())
		}
		if s.events > 0 {
			g.notes = append(g.notes, fmt.Sprintf("%s: its table was changed %d times", s.name, s.events))
		}
	}
	return g
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/1e6) }

// thousands writes a whole number with commas.
func thousands(n float64) string {
	digits := fmt.Sprintf("%.0f", math.Abs(n))
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
