package main

// This file counts how long requests took, in as little memory as that takes.

import (
	"math/bits"
	"time"
)

// latencies counts durations in buckets, each some 3 % wide. One goroutine writes it.
type latencies struct {
	counts [40 * halfBuckets]uint32 // up to 2^44 ns: hours
}

const halfBuckets = 32 // in each power of two

func (l *latencies) add(d time.Duration) {
	l.counts[min(bucketOf(d), len(l.counts)-1)]++
}

func bucketOf(d time.Duration) int {
	nanoseconds := uint64(max(d, 0))
	shift := max(bits.Len64(nanoseconds)-6, 0)
	return shift*halfBuckets + int(nanoseconds>>shift)
}

// middleOf is the duration in the middle of a bucket.
func middleOf(bucket int) time.Duration {
	if bucket < 2*halfBuckets {
		return time.Duration(bucket)
	}
	shift := bucket/halfBuckets - 1
	low := (bucket - shift*halfBuckets) << shift
	return time.Duration(low + 1<<shift/2)
}

func (l *latencies) merge(other *latencies) {
	for i, count := range other.counts {
		l.counts[i] += count
	}
}

// quantile is the duration that a share of all did not exceed; 0 when there were none.
func (l *latencies) quantile(share float64) time.Duration {
	var all, seen uint64
	for _, count := range l.counts {
		all += uint64(count)
	}
	for bucket, count := range l.counts {
		if seen += uint64(count); all > 0 && float64(seen) >= share*float64(all) {
			return middleOf(bucket)
		}
	}
	return 0
}
