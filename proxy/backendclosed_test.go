package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestBackendLeavesPausedUpload lets a backend close its connection in the middle of an
// upload while the client pauses. That is the backend's fault, and must be reported long
// before the idle timeout of minutes.
func TestBackendLeavesPausedUpload(t *testing.T) {
	t.Parallel()
	const detail = "An unexpected error occurred communicating with upstream service."
	backend := testkit.ServeRequest(t, func(*testkit.ServerConn, *http.Request) {}) // closes at once
	small := "POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
	large := strings.Replace(small, "Length: 10", "Length: 1000000", 1)
	chunked := "POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
	eachLane(t, upgradeTable, backend, func(t *testing.T, k *kit) {
		for _, upload := range []string{small, large, chunked} {
			k.raw(upload).wantDetail(t, http.StatusBadGateway, detail)
			if line := k.line(); line["status"] != 502.0 {
				t.Errorf("logged %v", line)
			}
		}
	})
	t.Run("h2", func(t *testing.T) {
		t.Parallel()
		k := startTLS(t, upgradeTable, backend)
		source, sink := io.Pipe()
		defer sink.Close()
		go func() { _, _ = io.WriteString(sink, "abc") }()
		k.do("POST", "/open", source).wantDetail(t, http.StatusBadGateway, detail)
	})
	t.Run("h2c", func(t *testing.T) {
		t.Parallel()
		k := startBefore(t, h2cTable, testkit.ServeH2C(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		k.raw(large).wantDetail(t, http.StatusBadGateway, detail)
	})
}
