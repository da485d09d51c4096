package proxy

import (
	"net/http"

	"gatehouse/auth"
)

// health is the body of GET /health.
type health struct {
	Status  string            `json:"status"`
	Service string            `json:"service"`
	Checks  map[string]string `json:"checks,omitempty"`
}

// answerAbout answers GET / and GET /health, unless the path is another. It is
// asked only when no route takes the path.
func (t *Table) answerAbout(x *exchange, r *http.Request, storeHealth func() error) bool {
	if x.path.Raw != "/" && x.path.Raw != "/health" {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		x.refuse(methodNotAllowed("GET, HEAD"))
		return true
	}
	if x.path.Raw == "/" {
		auth.WriteJSON(x, http.StatusOK, map[string]string{"message": t.name + " is running!"})
		return true
	}
	answer := health{Status: "healthy", Service: t.name}
	if storeHealth != nil {
		answer.Checks = map[string]string{"database_connection": "ok"}
		if storeHealth() != nil {
			answer.Checks["database_connection"] = "failed (warning)"
		}
	}
	auth.WriteJSON(x, http.StatusOK, answer)
	return true
}
