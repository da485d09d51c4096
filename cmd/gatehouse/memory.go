package main

import (
	"errors"
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"gatehouse/config"
)

const (
	// collectAt is how much may be allocated before the next collection, in
	// percent of what is in use. Little is in use in a proxy, so that Go's own
	// target of 100 collects all the time for the sake of a few MiB.
	collectAt = 400
	// heapShare is what of the container's memory Go may take before it collects
	// more often: the rest is for stacks of the kernel and for pages of files.
	heapShare = 0.9
)

// setMemory sets the collector's target and, where the container has a limit,
// the runtime's. GOGC and GOMEMLIMIT, which the runtime reads itself, go first.
func setMemory(environment config.Lookup, log *slog.Logger) {
	if _, given := environment("GOGC"); !given {
		debug.SetGCPercent(collectAt)
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
