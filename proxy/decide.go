package proxy

import (
	"net/http"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/cors"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/route"
)

// Decision is the decision of a table about a request that is not served.
type Decision struct {
	Caller    clientip.Caller
	Path      route.Path     // the zero Path when it was not read
	Ambiguous bool           // the refusal is for a path that a backend could read in another way
	Route     *route.Route   // the route that gets the request; nil means none
	Rule      auth.Rule      // of the route, or of its built-in endpoint
	Refusal   *httperr.Error // the gateway's refusal; nil when the request passes
	ByHandler bool           // the refusal is an answer of the route's built-in handler
	Preflight bool           // the request is a preflight, which the gateway answers
	Asked     *route.Route   // the route that a preflight asks about; nil for none or an unknown one
	Answered  int            // the status when the gateway answers without a refusal; else 0
	Location  string         // the target of a redirect; "" for other answers
	// To is the route as it forwards the request to one backend; nil without a backend.
	To *config.Route
	// ByChance reports that the route divides its requests, and that this one has nothing
	// that keeps it on one side. Then To is one of them.
	ByChance bool
	// Server is where `balance: hash` leads while all servers are healthy; nil without.
	Server    *config.Server
	Forwarded *http.Request // the request that the backend would get, without its body; nil without a backend
}

// Decide passes a request through the hops of Gateway.serve, but sends nothing. It asks
// decider instead of the table's gate, and applies no limits on clients.
func (t *Table) Decide(r *http.Request, decider auth.Decider) (d Decision) {
	d.Caller = clientip.Find(clientip.PeerAt(r.RemoteAddr), r, t.trusted)
	if t.answersPreflight(r) {
		if asked := t.preflight(r); asked.policy != nil {
			d.Preflight, d.Asked, d.Answered = true, asked.route, http.StatusNoContent
			if asked.policy.AllowedOrigin(r.Header) == "" {
				d.Answered, d.Refusal = 0, cors.ErrOrigin
			}
			return d
		}
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
	if d.Refusal = found.checkAddress(&d.Caller); d.Refusal != nil {
		return d
	}
	if d.ByHandler = found.builtIn != nil; d.ByHandler {
		if d.Rule, d.Refusal = found.builtIn.Rule(found.stripped(r, d.Path)); d.Refusal != nil {
			return d
		}
	}
	var identity *auth.Identity
	if identity, d.Refusal = decider.Decide(r.Context(), r.Header, d.Rule); d.Refusal != nil || found.builtIn != nil {
		return d
	}
	if found.realm != nil {
		if d.Refusal = decidePassword(found.realm, r.Header, decider); d.Refusal != nil {
			return d
		}
	}
	if found.answer != nil {
		d.Answered, d.Location = found.answer.Status(), found.answer.Location(found.forAnswer(r, d.Path))
		return d
	}
	facts := forward.Facts{
		In: r, ID: "(a new UUID)", Path: d.Path, Identity: identity, Caller: d.Caller,
	}
	if asked := r.Header["X-Request-Id"]; len(asked) == 1 && requestID(asked) == asked[0] {
		facts.ID = asked[0]
	}
	to := found.backendFor(&facts)
	d.To = to.Route()
	d.ByChance = found.split != nil && facts.Key(found.split.by) == ""
	d.Forwarded, d.Refusal = to.Preview(facts)
	if d.Forwarded != nil && len(d.To.Backend.Shares) > 0 {
		d.chooseServer(&facts)
	}
	return d
}

// chooseServer finds the server of a request to a named backend, as far as the request
// alone decides it.
func (d *Decision) chooseServer(facts *forward.Facts) {
	of := d.To.Backend.Shares[0].Backend
	if d.Server = backend.HashedServer(of, facts.Key(of.Hash)); d.Server == nil {
		return
	}
	d.Forwarded.URL.Host = d.Server.URL.Host
	if !d.To.PreserveHost {
		d.Forwarded.Host = d.Server.URL.Host
	}
}
