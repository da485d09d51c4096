package server

import (
	"errors"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"gatehouse/config/settings"
)

const (
	// headroom is how much may be allocated between two collections, in bytes,
	// while less than that is in use. Little is in use in a proxy, so that Go's
	// own target of 100 % collects all the time for the sake of a few MiB.
	headroom = 24 << 20
	// Bounds on the target that follows from it, in percent.
	minGCPercent, maxGCPercent = 100, 400
	// heapShare is what of the container's memory Go may take before it collects
	// more often: the rest is for stacks of the kernel and for pages of files.
	heapShare = 0.9
)

// setMemory sets the collector's target and, where the container has a limit,
// the runtime's. GOGC and GOMEMLIMIT, which the runtime reads itself, go first.
func setMemory(environment settings.Lookup, log *slog.Logger) {
	if _, given := environment("GOGC"); !given {
		debug.SetGCPercent(maxGCPercent)
		followHeap(maxGCPercent)
	}
	limit, err := memlimit.Set(
		memlimit.WithRatio(heapShare),
		memlimit.WithProvider(memlimit.FromCgroup),
	)
	if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrCgroupsNotSupported) {
		log.Warn("the container's memory limit cannot be read: set GOMEMLIMIT", "error", err.Error())
	}
	if limit < math.MaxInt64 {
		log.Info("memory is limited", "limit_bytes", limit)
	}
}

// followHeap changes the target after each collection, where what is in use asks
// for another: an object that nobody holds is cleaned up by the next one.
func followHeap(target int) {
	mark := new([16]byte)
	runtime.AddCleanup(mark, func(target int) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		wanted := targetFor(live[0].Value.Uint64())
		if wanted != target { // the world stops for it
			debug.SetGCPercent(wanted)
		}
		followHeap(wanted)
	}, target)
}

// targetFor returns the target for so many bytes in use, in steps: each change
// stops the world.
func targetFor(live uint64) int {
	const step = 50
	if live == 0 {
		return maxGCPercent
	}
	return int(min(max(headroom*100/live/step*step, minGCPercent), maxGCPercent))
}
