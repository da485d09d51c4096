package proxy

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/forward"
)

// recorder implements Metrics.
type recorder struct {
	mu     sync.Mutex
	routes map[string]*routeRecorder
}

func newRecorder() *recorder { return &recorder{routes: map[string]*routeRecorder{}} }

func (r *recorder) Attempts(string) backend.Attempts { return quietMetrics{} }

func (r *recorder) Route(name, _ string) RouteMetrics {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.routes[name] == nil {
		r.routes[name] = &routeRecorder{}
	}
	return r.routes[name]
}

func (r *recorder) of(name string) *routeRecorder { return r.Route(name, "").(*routeRecorder) }

type routeRecorder struct {
	mu       sync.Mutex
	started  int
	finished []string // "GET 200 5": method, status, bytes
	took     []time.Duration
	sent     int64
	decided  []auth.Result
	backend  []bool
	failed   []httperr.Reason
	headers  []time.Duration // until the backend's header
	received int64
	mirrored []string // results of copies
}

func (r *routeRecorder) Failed(reason httperr.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, reason)
}

func (r *routeRecorder) ResponseHeader(after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = append(r.headers, after)
}

// failures, headerTimes and receivedBytes return what was counted so far.
func (r *routeRecorder) failures() []httperr.Reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.failed)
}

func (r *routeRecorder) headerTimes() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.headers)
}

func (r *routeRecorder) Mirrored(result forward.MirrorResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mirrored = append(r.mirrored, result.String())
}

func (r *routeRecorder) copies() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.mirrored)
}

func (r *routeRecorder) receivedBytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
}

func (r *routeRecorder) Received(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received += size
}

func (r *routeRecorder) Started() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started++
}

func (r *routeRecorder) Sent(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent += size
}

func (r *routeRecorder) Finished(method string, status int, took time.Duration, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took = append(r.took, took)
	r.finished = append(r.finished, fmt.Sprint(method, " ", status, " ", size))
}

func (r *routeRecorder) Decided(result auth.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.decided = append(r.decided, result)
}

func (r *routeRecorder) Backend(up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.backend = append(r.backend, up)
}
