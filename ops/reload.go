package ops

import (
	"errors"
	"net/http"

	"gatehouse/auth"
	"gatehouse/config"
)

// reloadProblem is one reason why a table is not taken over.
type reloadProblem struct {
	Position string `json:"position,omitempty"` // file:line:column
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

// serveReload is POST /-/reload: 200 with what changed, or 400 with every
// problem, and then nothing has changed. A body is not looked at.
func serveReload(w http.ResponseWriter, r *http.Request, reload Reload) {
	diff, err := reload(r.Context())
	if err == nil {
		auth.WriteJSON(w, http.StatusOK, map[string]any{"reloaded": true, "changes": diff})
		return
	}
	list := []reloadProblem{}
	var problems config.Problems
	if !errors.As(err, &problems) {
		problems = config.Problems{{Message: err.Error()}}
	}
	for _, p := range problems {
		said := reloadProblem{Severity: p.Severity.String(), Message: p.Message, Hint: p.Hint}
		if p.Position != (config.Position{}) {
			said.Position = p.Position.String()
		}
		list = append(list, said)
	}
	auth.WriteJSON(w, http.StatusBadRequest, map[string]any{"reloaded": false, "problems": list})
}
