// Package occurrence counts what clients can bring about as often as they like, and
// reports when it begins, so that the log has one line about it and not one for each
// time.
package occurrence

import (
	"sync/atomic"
	"time"
)

// quietAfter is how long nothing may have happened before it is worth a line again.
const quietAfter = time.Minute

// Counter counts how often something has happened. The zero Counter is ready to use.
type Counter struct {
	count atomic.Int64
	last  atomic.Int64 // Unix time in nanoseconds; 0 is never
}

// Note counts one more, and reports whether it is the first for a minute or longer.
func (c *Counter) Note(now time.Time) (first bool) {
	c.count.Add(1)
	last := c.last.Swap(now.UnixNano())
	return last == 0 || now.Sub(time.Unix(0, last)) >= quietAfter
}

// Count returns how often it has happened.
func (c *Counter) Count() int64 { return c.count.Load() }
