// This file has a histogram of durations.

package ops

import (
	"math"
	"sync/atomic"
)

// durationBuckets, in seconds, range from a cached answer to the default
// timeout of a route.
var durationBuckets = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// histogram counts durations by bucket.
type histogram struct {
	buckets [len(durationBuckets) + 1]atomic.Uint64 // not cumulative; the last one counts longer durations
	sum     atomic.Uint64                           // the bits of a float64, in seconds
}

func (h *histogram) observe(seconds float64) {
	at := 0
	for at < len(durationBuckets) && seconds > durationBuckets[at] {
		at++
	}
	h.buckets[at].Add(1)
	for {
		sum := h.sum.Load()
		if h.sum.CompareAndSwap(sum, math.Float64bits(math.Float64frombits(sum)+seconds)) {
			return
		}
	}
}

// read returns the histogram in the form of Prometheus, with cumulative
// buckets.
func (h *histogram) read() (count uint64, sum float64, buckets map[float64]uint64) {
	sum = math.Float64frombits(h.sum.Load())
	buckets = make(map[float64]uint64, len(durationBuckets))
	for i, bound := range durationBuckets {
		count += h.buckets[i].Load()
		buckets[bound] = count
	}
	return count + h.buckets[len(durationBuckets)].Load(), sum, buckets
}
