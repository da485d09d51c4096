//go:build !race

package socket

// raceEnabled tells whether the race detector looks on. It takes what package syscall
// reads and writes for an order of events, and would miss that of raw calls.
const raceEnabled = false
