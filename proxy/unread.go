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
	unreadAgain = time.Minute // after a line, until the next one about the same
	unreadLines = 64          // within that time, about all proxies together
)

// unreadHeaders remembers which headers of which trusted proxies the log has told
// of. A proxy sends what it sends with every request, and clients may have a part
// in it, so lines and memory are bounded.
type unreadHeaders struct {
	mu   sync.Mutex
	told map[unreadHeader]time.Time
}

type unreadHeader struct {
	proxy netip.Addr
	name  string
}

// isDue reports whether the log is to tell of the header now, and remembers it.
func (u *unreadHeaders) isDue(header unreadHeader, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, found := u.told[header]; found && now.Sub(last) < unreadAgain {
		return false
	}
	if len(u.told) >= unreadLines {
		for other, last := range u.told {
			if now.Sub(last) >= unreadAgain {
				delete(u.told, other)
			}
		}
		if len(u.told) >= unreadLines {
			return false
		}
	}
	if u.told == nil {
		u.told = map[unreadHeader]time.Time{}
	}
	u.told[header] = now
	return true
}

// noteUnreadList tells of a trusted proxy whose list of addresses was not read.
func (x *exchange) noteUnreadList(r *http.Request) {
	if len(r.Header["X-Forwarded-For"]) == 0 {
		x.noteUnread("Forwarded")
		return
	}
	x.noteUnread("X-Forwarded-For")
}

// noteUnread tells of a header of a trusted proxy that was not read. The line does
// not have its value, in which there may be anything.
func (x *exchange) noteUnread(name string) {
	if x.gateway == nil || !x.gateway.unread.isDue(unreadHeader{x.caller.peer.ip, name}, x.start) {
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
		slog.String("header", name), slog.String("proxy", x.caller.peer.text), slog.String("instead", instead))
}
