//go:build unix

package server

import (
	"math"
	"syscall"
)

// descriptorLimit returns how many files and connections this process may have
// open, or 0 when that is unknown. Package os has raised the limit already.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, math.MaxInt32))
}
