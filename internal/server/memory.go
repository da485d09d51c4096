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
	// headroom is how many bytes may be allocated between two collections while
	// less than that is in use. A proxy uses little memory, so with Go's own
	// target of 100 % the collector would run constantly to save a few MiB.
	headroom = 24 << 20
	// Bounds on the resulting target, in percent.
	minGCPercent, maxGCPercent = 100, 400
	// heapShare is the share of the container's memory that Go may use before
	// it collects more often. The rest is for kernel stacks and pages of files.
	heapShare = 0.9
)

// setMemory sets the collector's target and, when the container has a memory
// limit, the runtime's limit. GOGC and GOMEMLIMIT have priority; the runtime
// reads them.
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

// followHeap adjusts the target after each collection. The cleanup of an
// unreachable object tells it about each collection.
func followHeap(target int) {
	mark := new([16]byte)
	runtime.AddCleanup(mark, func(target int) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		wanted := targetFor(live[0].Value.Uint64())
		if wanted != target { // changing it stops all goroutines
			debug.SetGCPercent(wanted)
		}
		followHeap(wanted)
	}, target)
}

// targetFor returns the target for a number of bytes in use. It changes in
// steps, because each change stops all goroutines.
func targetFor(live uint64) int {
	const step = 50
	if live == 0 {
		return maxGCPercent
	}
	return int(min(max(headroom*100/live/step*step, minGCPercent), maxGCPercent))
}
