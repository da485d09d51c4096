package clientip

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	unreadableInterval = time.Minute // between two lines about the same header of the same proxy
	maxUnreadableLines = 64          // within that time, about all proxies together
)

// UnreadableLog logs headers of trusted proxies that cannot be read. A proxy sends its
// headers with every request, and clients may have written a part of them. So the number
// of lines and the memory are limited. The zero value is ready to use.
type UnreadableLog struct {
	mu     sync.Mutex
	logged map[unreadableHeader]time.Time
}

type unreadableHeader struct {
	proxy netip.Addr
	name  string
}

// isDue reports whether the header should be logged now. If so, it stores the time.
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

// Log logs that a header of a proxy cannot be read, at most once a minute. It does not
// log the value, which a client may have written.
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
