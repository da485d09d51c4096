package proxy

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// Access is what one request leaves in the access log. What a client wrote is
// in it as it came, but for its length.
type Access struct {
	Time      time.Time // of the end of the answer
	Level     slog.Level
	RequestID string
	Method    string
	Path      string // without the query
	Route     string
	Status    int
	Duration  time.Duration
	Bytes     int64      // of the answer's body
	ClientIP  netip.Addr // without a zone; invalid where the listener has none
	Origin    string     // "" without one
	UserID    string     // "" when nobody was identified
	CompanyID string
	Error     string // "" when all went well
}

// AccessMessage is the message of every access line.
const AccessMessage = "request"

// AccessLog takes an entry for each request that the gateway's log is enabled for.
type AccessLog interface {
	LogAccess(entry Access)
}

// Milliseconds is the duration as it is logged.
func (a *Access) Milliseconds() float64 { return float64(a.Duration.Microseconds()) / 1000 }

// Record is the entry as a line of slog's: it says which fields there are, and
// in which order.
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
	if a.Error != "" {
		record.AddAttrs(slog.String("error", a.Error))
	}
	return record
}

// addressText returns the address, or "" where the listener has none.
func addressText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

// AccessThrough is an access log in any format that slog has.
func AccessThrough(handler slog.Handler) AccessLog { return accessThrough{handler} }

type accessThrough struct{ handler slog.Handler }

func (l accessThrough) LogAccess(entry Access) {
	_ = l.handler.Handle(context.Background(), entry.Record()) // as slog.Logger does
}
