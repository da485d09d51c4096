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
	"gatehouse/proxy/backend"
	"gatehouse/proxy/explain"
)

// Reload reads the route table again. It returns what changed, and the warnings
// about the new table. The error is a problem.List when the table is invalid.
type Reload func(ctx context.Context) (explain.Diff, problem.List, error)

// HandlerOptions configure the handler of the operators' listener.
type HandlerOptions struct {
	Metrics *Metrics
	Health  *Health
	Gateway *proxy.Gateway
	Reload  Reload
	// Backends returns the named backends of the live table.
	Backends func() backend.Set
	// Token is asked for by every change, and by pages that show more than numbers. ""
	// means that there is none: then only the reload is open.
	Token string
}

// Handler returns the handler of the operators' listener.
func Handler(o HandlerOptions) http.Handler {
	mux, asked := http.NewServeMux(), token(o.Token)
	mux.HandleFunc("POST /-/reload", asked.forChanges(true, func(w http.ResponseWriter, r *http.Request) { serveReload(w, r, o.Reload) }))
	for action, drained := range map[string]bool{"drain": true, "undrain": false} {
		mux.HandleFunc("POST /-/backends/{backend}/{server}/"+action, asked.forChanges(false, func(w http.ResponseWriter, r *http.Request) {
			serveDrain(w, r, o.Backends(), drained)
		}))
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics.Registry, promhttp.HandlerOpts{Registry: o.Metrics.Registry}))
	mux.HandleFunc("GET /livez", serveLive)
	mux.HandleFunc("GET /readyz", o.Health.serveReady)
	mux.HandleFunc("GET /routes", func(w http.ResponseWriter, _ *http.Request) {
		table := o.Gateway.Table()
		if table == nil {
			httperr.NoTable.WriteTo(w)
			return
		}
		httperr.WriteJSON(w, http.StatusOK, Routes(table.Ordered()))
	})
	mux.HandleFunc("GET /backends", func(w http.ResponseWriter, _ *http.Request) {
		httperr.WriteJSON(w, http.StatusOK, Backends(o.Backends()))
	})
	mux.HandleFunc("GET /debug/pprof/", asked.required(pprof.Index)) // heap, goroutine and others
	mux.HandleFunc("GET /debug/pprof/profile", asked.required(pprof.Profile))
	mux.HandleFunc("GET /debug/pprof/trace", asked.required(pprof.Trace))
	mux.HandleFunc("GET /{$}", asked.required(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprint(w, "Gatehouse, the operators' listener\n\n"+
			"  /metrics   for Prometheus\n"+
			"  /livez     is the process alive\n"+
			"  /readyz    should it be sent requests, and why not\n"+
			"  /routes    the route table being served\n"+
			"  /backends  the servers of named backends, and what is known about them\n"+
			"  /debug/pprof/    profiles of the process, for go tool pprof\n"+
			"  POST /-/reload   read the route table anew\n"+
			"  POST /-/backends/{name}/{server}/drain     send a server no more requests\n"+
			"  POST /-/backends/{name}/{server}/undrain   send it requests again\n")
	}))
	return mux
}
