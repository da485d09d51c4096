package proxy

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// Access is the entry of one request in the access log. Text from the client is
// unchanged, except that long text is cut.
type Access struct {
	Time      time.Time // when the answer ended
	Level     slog.Level
	RequestID string
	Method    string
	Path      string // without the query
	Route     string
	Status    int
	Duration  time.Duration
	Bytes     int64      // size of the answer's body
	ClientIP  netip.Addr // without a zone; invalid when the listener has no addresses
	Origin    string     // the Origin header; "" without one
	UserID    string     // "" when no user was identified
	CompanyID string
	Server    string // of a named backend, that the last attempt was sent to; "" without one
	Attempts  int    // at servers of a named backend
	Error     string // "" when there was none
}

// AccessMessage is the message of every access line.
const AccessMessage = "request"

// AccessLog writes access entries.
type AccessLog interface {
	// LogAccess is called for each request, when the level of the entry is enabled in
	// the gateway's log.
	LogAccess(entry Access)
}

// Milliseconds returns the duration in the unit of the log.
func (a *Access) Milliseconds() float64 { return float64(a.Duration.Microseconds()) / 1000 }

// Record returns the entry as a record of slog. It defines the fields of the access log
// and their order.
func (a *Access) Record() slog.Record {
	record := slog.NewRecord(a.Time, a.Level, AccessMessage, 0)
	record.AddAttrs(
		slog.String("request_id", a.RequestID),
		slog.String("method", a.Method),
		slog.String("path", a.Path),
		slog.String("route", a.Route),
		slog.Int("status", a.Status),
		slog.Float64("duration_ms", a.Milliseconds()),
		slog.Int64("bytes", a.Bytes),
		slog.String("client_ip", addressText(a.ClientIP)),
	)
	if a.Origin != "" {
		record.AddAttrs(slog.String("origin", a.Origin))
	}
	if a.UserID != "" {
		record.AddAttrs(slog.String("user_id", a.UserID), slog.String("company_id", a.CompanyID))
	}
	if a.Server != "" {
		record.AddAttrs(slog.String("server", a.Server), slog.Int("attempts", a.Attempts))
	}
	if a.Error != "" {
		record.AddAttrs(slog.String("error", a.Error))
	}
	return record
}

// addressText returns the address as text, or "" if it is invalid.
func addressText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

// AccessThrough returns an AccessLog that writes to a slog.Handler.
func AccessThrough(handler slog.Handler) AccessLog { return accessThrough{handler} }

type accessThrough struct{ handler slog.Handler }

func (l accessThrough) LogAccess(entry Access) {
	_ = l.handler.Handle(context.Background(), entry.Record()) // as slog.Logger does
}
