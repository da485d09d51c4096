package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	unreadableInterval = time.Minute // after a line, until the next one about the same
	maxUnreadableLines = 64          // within that time, about all proxies together
)

// unreadableHeaders remembers which headers of which trusted proxies the log has told
// of. A proxy sends what it sends with every request, and clients may have a part
// in it, so lines and memory are bounded.
type unreadableHeaders struct {
	mu     sync.Mutex
	logged map[unreadableHeader]time.Time
}

type unreadableHeader struct {
	proxy netip.Addr
	name  string
}

// isDue reports whether the log is to tell of the header now, and remembers it.
func (u *unreadableHeaders) isDue(header unreadableHeader, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, found := u.logged[header]; found && now.Sub(last) < unreadableInterval {
		return false
	}
	if len(u.logged) >= maxUnreadableLines {
		for other, last := range u.logged {
			if now.Sub(last) >= unreadableInterval {
				delete(u.logged, other)
			}
		}
		if len(u.logged) >= maxUnreadableLines {
			return false
		}
	}
	if u.logged == nil {
		u.logged = map[unreadableHeader]time.Time{}
	}
	u.logged[header] = now
	return true
}

// logUnreadableList logs a trusted proxy whose list of addresses was not read.
func (x *exchange) logUnreadableList(r *http.Request) {
	if len(r.Header["X-Forwarded-For"]) == 0 {
		x.logUnreadable("Forwarded")
		return
	}
	x.logUnreadable("X-Forwarded-For")
}

// logUnreadable logs a header of a trusted proxy that was not read. The line does
// not have its value, in which there may be anything.
func (x *exchange) logUnreadable(name string) {
	if x.gateway == nil || !x.gateway.unreadable.isDue(unreadableHeader{x.caller.peer.IP, name}, x.start) {
		return
	}
	var instead string
	switch name {
	case "X-Forwarded-For":
		instead = "the last address that can be read is taken for the client, or the proxy"
	case "Forwarded":
		instead = "the proxy is taken for the client; have it send X-Forwarded-For"
	case "X-Forwarded-Proto":
		instead = "the scheme of the connection is forwarded; have the proxy send http or https"
	case "X-Forwarded-Host":
		instead = "the Host of the request is forwarded; have the proxy send host or host:port"
	}
	x.gateway.log.LogAttrs(context.Background(), slog.LevelWarn, "cannot read a header of a trusted proxy",
		slog.String("header", name), slog.String("proxy", x.caller.peer.Text), slog.String("instead", instead))
}
