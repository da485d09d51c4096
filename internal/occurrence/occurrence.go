// Package occurrence counts events that clients can cause as often as they
// like. It reports when such events begin, so that the log has one line about
// them and not one for each.
package occurrence

import (
	"sync/atomic"
	"time"
)

// quietAfter is the time without an event after which the next one is reported
// again.
const quietAfter = time.Minute

// Counter counts events. The zero Counter is ready to use.
type Counter struct {
	count atomic.Int64
	last  atomic.Int64 // Unix time in nanoseconds; 0 means never
}

// Note counts one event, and reports whether it is the first for a minute or
// longer.
func (c *Counter) Note(now time.Time) (first bool) {
	c.count.Add(1)
	last := c.last.Swap(now.UnixNano())
	return last == 0 || now.Sub(time.Unix(0, last)) >= quietAfter
}

// Count returns the number of events.
func (c *Counter) Count() int64 { return c.count.Load() }
