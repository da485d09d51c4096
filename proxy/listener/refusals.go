package listener

import (
	"context"
	"log/slog"
	"time"
)

// RefusalReason is the reason why a client's connection was closed at once, or could not
// be accepted. It is a label of a metric.
type RefusalReason string

// The reasons.
const (
	RefusedByLimit       RefusalReason = "connections"            // limits.connections
	RefusedByClientLimit RefusalReason = "connections_per_client" // limits.connections_per_client
	RefusedByDescriptors RefusalReason = "descriptors"            // see descriptors.Division
	RefusedByAccept      RefusalReason = "accept"                 // accept failed
	// RefusedByProxyProtocol means that the PROXY header of a proxy is missing or invalid.
	RefusedByProxyProtocol RefusalReason = "proxy_protocol"
)

// RefusalReasons are all reasons.
var RefusalReasons = [...]RefusalReason{RefusedByLimit, RefusedByClientLimit, RefusedByDescriptors, RefusedByAccept, RefusedByProxyProtocol}

// refused counts a refused connection. It logs the first one, and the next one after a
// minute without any. err is the error of accept, or nil when the connection was closed.
func (c *Clients) refused(reason RefusalReason, err error) {
	if c.options.Refused != nil {
		c.options.Refused(reason)
	}
	for i, one := range RefusalReasons {
		if one != reason || !c.refusals[i].Note(time.Now()) {
			continue
		}
		attrs := []slog.Attr{slog.String("reason", string(reason)), slog.Int64("open", c.open.Load())}
		if err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		c.options.Log.LogAttrs(context.Background(), slog.LevelWarn,
			"clients' connections are refused; the next line about this reason comes when it has stopped for a minute and begins again", attrs...)
	}
}

// Open returns the number of open client connections.
func (c *Clients) Open() int64 { return c.open.Load() }

// Refused returns the numbers of refused connections, in the order of RefusalReasons.
func (c *Clients) Refused() (counts [len(RefusalReasons)]int64) {
	for i := range c.refusals {
		counts[i] = c.refusals[i].Count()
	}
	return counts
}
