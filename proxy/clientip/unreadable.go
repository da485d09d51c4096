package clientip

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	unreadableInterval = time.Minute // after a line, until the next one about the same
	maxUnreadableLines = 64          // within that time, about all proxies together
)

// UnreadableLog tells the log about headers of trusted proxies that cannot be read. A
// proxy sends a header with every request, and clients may have written a part of it,
// so lines and memory are bounded. The zero value has told nothing.
type UnreadableLog struct {
	mu     sync.Mutex
	logged map[unreadableHeader]time.Time
}

type unreadableHeader struct {
	proxy netip.Addr
	name  string
}

// isDue reports whether the log is to tell of the header now, and remembers it.
func (u *UnreadableLog) isDue(header unreadableHeader, now time.Time) bool {
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

// Log logs that a header of a proxy was not read, at most once a minute. The line does
// not have the value, in which there may be anything.
func (u *UnreadableLog) Log(log *slog.Logger, proxy Peer, name string) {
	if !u.isDue(unreadableHeader{proxy.IP, name}, time.Now()) {
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
	log.LogAttrs(context.Background(), slog.LevelWarn, "cannot read a header of a trusted proxy",
		slog.String("header", name), slog.String("proxy", proxy.Text), slog.String("instead", instead))
}
