package ops

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/auth"
	"gatehouse/proxy"
)

// Handler serves the operators' listener.
func Handler(metrics *Metrics, health *Health, gateway *proxy.Gateway) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{Registry: metrics.Registry}))
	mux.HandleFunc("GET /livez", serveLive)
	mux.HandleFunc("GET /readyz", health.serveReady)
	mux.HandleFunc("GET /routes", func(w http.ResponseWriter, _ *http.Request) {
		table := gateway.Table()
		if table == nil {
			auth.WriteJSON(w, http.StatusServiceUnavailable, auth.Body{Detail: "The gateway has no route table yet."})
			return
		}
		auth.WriteJSON(w, http.StatusOK, Routes(table.Config()))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprint(w, "Gatehouse, the operators' listener\n\n"+
			"  /metrics   for Prometheus\n"+
			"  /livez     is the process alive\n"+
			"  /readyz    should it be sent requests, and why not\n"+
			"  /routes    the route table being served\n")
	})
	return mux
}
