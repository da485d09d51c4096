package proxy

import (
	"net/http"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/route"
)

// Paths that the gateway itself answers when no route matches.
const (
	rootPath   = "/"
	healthPath = "/health"
	keySetPath = "/.well-known/jwks.json"
)

// health is the body of GET /health.
type health struct {
	Status  string            `json:"status"`
	Service string            `json:"service"`
	Checks  map[string]string `json:"checks,omitempty"`
}

// isInfoPath reports whether the gateway itself answers the path when no route matches.
func (t *Table) isInfoPath(path route.Path) bool {
	return path.Raw == rootPath || path.Raw == healthPath || path.Raw == keySetPath && t.keySet != nil
}

// checkInfoMethod returns a refusal for a method other than GET and HEAD.
func checkInfoMethod(method string) *httperr.Error {
	if method == http.MethodGet || method == http.MethodHead {
		return nil
	}
	return httperr.MethodNotAllowed("GET, HEAD")
}

// serveInfo answers GET / and GET /health. When tokens are signed with a private key, it
// also answers GET /.well-known/jwks.json. It returns false for any other path. It is
// called only when no route matches.
func (g *Gateway) serveInfo(x *exchange, r *http.Request) bool {
	if !x.table.isInfoPath(x.path) {
		return false
	}
	if refusal := checkInfoMethod(r.Method); refusal != nil {
		x.refuse(r, refusal)
		return true
	}
	switch x.path.Raw {
	case rootPath:
		httperr.WriteJSON(&x.response, http.StatusOK, map[string]string{"message": x.table.name + " is running!"})
	case healthPath:
		httperr.WriteJSON(&x.response, http.StatusOK, g.health(x.table.name))
	case keySetPath:
		x.response.Header().Set("Content-Type", "application/jwk-set+json")
		x.response.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = x.response.Write(x.table.keySet)
	}
	return true
}

// health returns the body of GET /health. The status is 200 even when the store fails,
// because open routes still work. The body reports the failure.
func (g *Gateway) health(service string) health {
	answer := health{Status: "healthy", Service: service}
	if g.storeHealth != nil {
		answer.Checks = map[string]string{"database_connection": "ok"}
		if g.storeHealth() != nil {
			answer.Checks["database_connection"] = "failed (warning)"
		}
	}
	return answer
}
