package ops_test

import (
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/ops"
	"gatehouse/proxy"
)

// entry is the access entry of a strict request of a browser.
var entry = proxy.Access{
	Time: time.Date(2026, 3, 1, 12, 30, 0, 123456789, time.UTC), Level: slog.LevelInfo, RequestID: "0b5f3f5e-8a52-4d2c-9c53-3e9d3f0a7c11",
	Method: "GET", Path: "/api/v1/query/chats", Route: "query", Status: 200, Duration: 1234567 * time.Nanosecond, Bytes: 4096,
	ClientIP: netip.MustParseAddr("203.0.113.195"), Origin: "https://app.example.com",
	UserID: "11111111-1111-4111-8111-111111111111", CompanyID: "22222222-2222-4222-8222-222222222222",
}

// newComparison compares the lines of entries with those of slog.
func newComparison() func(*testing.T, proxy.Access) {
	var got, want strings.Builder
	lines := ops.NewLogWriter(&got, jsonFormat)
	ours, slogs := ops.NewAccessLog(lines), proxy.AccessThrough(jsonFormat(&want))
	return func(t *testing.T, a proxy.Access) {
		t.Helper()
		got.Reset()
		want.Reset()
		ours.LogAccess(a)
		slogs.LogAccess(a)
		if lines.Flush(time.Minute); got.String() != want.String() {
			t.Errorf("wrote\n%s, slog\n%s", got.String(), want.String())
		}
	}
}

func TestAccessLineIsThatOfSlog(t *testing.T) {
	t.Parallel()
	wantSlog := newComparison()
	wantSlog(t, entry)
	wantSlog(t, proxy.Access{Time: entry.Time})
	odd := []func(*proxy.Access){
		func(a *proxy.Access) { a.Level = slog.LevelDebug },
		func(a *proxy.Access) { a.Level = slog.LevelWarn + 1 },
		func(a *proxy.Access) { a.Time = a.Time.Truncate(time.Second) },
		func(a *proxy.Access) { a.Time = a.Time.Truncate(time.Millisecond) },
		func(a *proxy.Access) { a.Time = a.Time.In(time.FixedZone("", -(5*60+30)*60)) },
		func(a *proxy.Access) { a.Time = time.Now() },
		func(a *proxy.Access) { a.Origin, a.UserID, a.Error = "", "", "backend: connection refused" },
		func(a *proxy.Access) { a.CompanyID = "" },
		func(a *proxy.Access) { a.ClientIP = netip.Addr{} },
		func(a *proxy.Access) { a.ClientIP = netip.MustParseAddr("2001:db8::1:0:0:1") },
		func(a *proxy.Access) { a.ClientIP = netip.MustParseAddr("::ffff:192.0.2.1") },
		func(a *proxy.Access) { a.Bytes, a.Status = math.MaxInt64, math.MinInt },
		func(a *proxy.Access) { a.Path = strings.Repeat("long ", 1000) },
	}
	for _, duration := range []time.Duration{
		0, 1, 999, 1000, 1999, 100_000, time.Millisecond, 1_000_100, 1_500_000, 12345678901, time.Hour, math.MaxInt64, -1500 * time.Microsecond,
	} {
		odd = append(odd, func(a *proxy.Access) { a.Duration = duration })
	}
	every := new(strings.Builder)
	for c := range 256 {
		every.WriteByte(byte(c))
	}
	for _, text := range []string{every.String(), "<a href='&'>", "\u2027\u2028\u2029\u202a", "é€😀", "\xe2\x80", "\xed\xa0\x80", "\ufffd", "cut \xf0\x9f…", `\"`, "\x7f"} {
		odd = append(odd,
			func(a *proxy.Access) { a.RequestID, a.Method, a.Path = text, text, text },
			func(a *proxy.Access) { a.Route, a.Origin, a.Error = text, text, text },
			func(a *proxy.Access) { a.UserID, a.CompanyID = text, text })
	}
	for _, change := range odd {
		a := entry
		change(&a)
		wantSlog(t, a)
	}
}

func FuzzAccessLine(f *testing.F) {
	f.Add("GET", "/a%20b\"\\\x00\u2028", "null", "timeout", int64(1_234_567), int64(1_700_000_000_000_000_000), int64(5), []byte{192, 0, 2, 1})
	f.Add("BREW\xff", "", "", "", int64(0), int64(0), int64(-1), []byte(nil))
	wantSlog := newComparison()
	f.Fuzz(func(t *testing.T, method, path, origin, failure string, duration, at, size int64, ip []byte) {
		address, _ := netip.AddrFromSlice(ip)
		wantSlog(t, proxy.Access{
			Time: time.Unix(0, at).UTC(), RequestID: path, Method: method, Path: path, Route: origin, Status: int(size),
			Duration: time.Duration(duration), Bytes: size, ClientIP: address, Origin: origin, UserID: failure, CompanyID: method, Error: failure,
		})
	})
}

// TestAccessLineTakesNoMemory requires that a line allocates nothing.
func TestAccessLineTakesNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that nothing is written meanwhile
		to := new(destination)
		lines := ops.NewLogWriter(to, jsonFormat)
		log := ops.NewAccessLog(lines)
		if n := testing.AllocsPerRun(100, func() { log.LogAccess(entry) }); n > 0 {
			t.Errorf("%v allocations a line", n)
		}
		lines.Flush(time.Second)
	})
}
