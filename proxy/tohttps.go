package proxy

import (
	"net/http"
	"strings"

	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/route"
	"gatehouse/proxy/target"
)

// HTTPSRoute is the label of requests without TLS that are redirected to https.
const HTTPSRoute = "_https"

// ToHTTPS returns a handler that redirects every request to the same address over https,
// for clients that do not use TLS (RFC 9110 section 15.4.9). port is the port for https.
// When it is "", the client has reached the right port already, and the Host of the
// request has it.
//
// An answer to a request for an ACME challenge would come first (RFC 8555 section 8.3).
func (g *Gateway) ToHTTPS(port string) http.Handler {
	return &toHTTPS{gateway: g, port: port, label: compiledRoute{
		config: &config.Route{Name: HTTPSRoute}, metrics: g.metrics.Route(HTTPSRoute, ""),
	}}
}

type toHTTPS struct {
	gateway *Gateway
	port    string
	label   compiledRoute // for the log and the metrics
}

// ServeHTTP implements http.Handler.
func (h *toHTTPS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.gateway.begin(w, r)
	defer func() { x.finish(r, recover()) }()
	x.response.last = true
	x.response.table = nil // headers of the table, such as Strict-Transport-Security, are for answers over TLS
	x.route, x.metrics = &h.label, h.label.metrics
	x.metrics.Started()
	if refusal := h.serve(x, r); refusal != nil {
		x.refuse(r, refusal)
	}
}

func (h *toHTTPS) serve(x *exchange, r *http.Request) *httperr.Error {
	peer := clientip.PeerAt(r.RemoteAddr)
	if x.table == nil {
		x.caller = clientip.Find(peer, r, nil)
		return httperr.NoTable
	}
	x.caller = clientip.Find(peer, r, x.table.trusted)
	if !x.admit() {
		return refuseTooMany
	}
	if refusal := refuseMessage(r); refusal != nil {
		return refusal
	}
	if r.Method == http.MethodConnect {
		return refuseTunnel
	}
	path, ok := route.TargetPath(r.RequestURI)
	if !ok || strings.Contains(path, "#") {
		return refusePath
	}
	host, ok := route.HostName(r.Host)
	if !ok || host == "" {
		return refuseHost
	}
	_, query, hasQuery := strings.Cut(r.RequestURI, "?")
	if hasQuery {
		path += "?" + query
	}
	header := x.response.Header()
	header["Location"] = []string{target.HTTPSLocation(host, h.portFor(r.Host), path)}
	header["Content-Length"] = []string{"0"}
	x.response.WriteHeader(http.StatusPermanentRedirect)
	return nil
}

// portFor returns the port for https, or "" for 443.
func (h *toHTTPS) portFor(host string) string {
	port := h.port
	if colon := strings.LastIndexByte(host, ':'); port == "" && colon > strings.LastIndexByte(host, ']') {
		port = host[colon+1:]
	}
	if port == httpsPort {
		return ""
	}
	return port
}

const httpsPort = "443"
