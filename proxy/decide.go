package proxy

import (
	"net/http"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/cors"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/route"
)

// Decision is what a table decides about a request that is not served.
type Decision struct {
	Path      route.Path     // the zero Path where it was not read
	Ambiguous bool           // a backend could read the path as another route's
	Route     *route.Route   // the route that takes the request; nil for none
	Rule      auth.Rule      // of the route, or of its built-in endpoint
	Refusal   *httperr.Error // the gateway's answer; nil when the request passes
	Preflight bool           // the gateway answers a preflight
	Answered  int            // status of an answer of the gateway's own that is no refusal; else 0
	Location  string         // where a redirect leads; "" for other answers
	Forwarded *http.Request  // what the backend would get, without its body; nil where no backend is asked
}

// Decide takes a request through the hops of Gateway.serve, and sends nothing. It asks
// decider instead of the table's gate, and knows no limits on clients.
func (t *Table) Decide(r *http.Request, decider auth.Decider) (d Decision) {
	if t.cors != nil && cors.IsPreflight(r) {
		if t.cors.AllowedOrigin(r.Header) == "" {
			return Decision{Preflight: true, Refusal: cors.ErrOrigin}
		}
		return Decision{Preflight: true, Answered: http.StatusNoContent}
	}
	var found *compiledRoute
	d.Path, found, d.Refusal = t.find(r)
	d.Ambiguous = d.Refusal == refusePath
	if d.Refusal == httperr.NotFound && t.isInfoPath(d.Path) {
		if d.Refusal = checkInfoMethod(r.Method); d.Refusal == nil {
			d.Answered = http.StatusOK
		}
	}
	if found == nil {
		return d
	}

	d.Route, d.Rule = found.route, found.rule
	if found.builtIn != nil {
		if d.Rule, d.Refusal = found.builtIn.Rule(found.stripped(r, d.Path)); d.Refusal != nil {
			return d
		}
	}
	var identity *auth.Identity
	if identity, d.Refusal = decider.Decide(r.Context(), r.Header, d.Rule); d.Refusal != nil || found.builtIn != nil {
		return d
	}
	if found.answer != nil {
		d.Answered, d.Location = found.answer.Status(), found.answer.Location(found.forAnswer(r, d.Path))
		return d
	}
	facts := forward.Facts{
		In: r, ID: "(a new UUID)", Path: d.Path, Identity: identity, Caller: clientip.Find(clientip.PeerAt(r.RemoteAddr), r, t.trusted),
	}
	if asked := r.Header["X-Request-Id"]; len(asked) == 1 && requestID(asked) == asked[0] {
		facts.ID = asked[0]
	}
	if d.Forwarded = found.backend.Preview(facts); d.Forwarded == nil {
		d.Refusal = forward.ErrUpstream // httputil itself would not send it
	}
	return d
}
