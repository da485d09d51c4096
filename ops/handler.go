package ops

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/config/problem"
	"gatehouse/internal/httperr"
	"gatehouse/proxy"
	"gatehouse/proxy/explain"
)

// Reload reads the route table again. It returns what changed, and the warnings
// about the new table. The error is a problem.List when the table is invalid.
type Reload func(ctx context.Context) (explain.Diff, problem.List, error)

// Handler returns the handler of the operators' listener.
func Handler(metrics *Metrics, health *Health, gateway *proxy.Gateway, reload Reload) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /-/reload", func(w http.ResponseWriter, r *http.Request) { serveReload(w, r, reload) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{Registry: metrics.Registry}))
	mux.HandleFunc("GET /livez", serveLive)
	mux.HandleFunc("GET /readyz", health.serveReady)
	mux.HandleFunc("GET /routes", func(w http.ResponseWriter, _ *http.Request) {
		table := gateway.Table()
		if table == nil {
			httperr.NoTable.WriteTo(w)
			return
		}
		httperr.WriteJSON(w, http.StatusOK, Routes(table.Ordered()))
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // heap, goroutine and others
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprint(w, "Gatehouse, the operators' listener\n\n"+
			"  /metrics   for Prometheus\n"+
			"  /livez     is the process alive\n"+
			"  /readyz    should it be sent requests, and why not\n"+
			"  /routes    the route table being served\n"+
			"  /debug/pprof/    profiles of the process, for go tool pprof\n"+
			"  POST /-/reload   read the route table anew\n")
	})
	return mux
}
