//go:build !race

package socket

// raceEnabled reports whether the race detector is on. It derives an order of events
// from the calls of package syscall, which raw system calls would hide.
const raceEnabled = false
