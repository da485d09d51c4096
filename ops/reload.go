package ops

import (
	"errors"
	"net/http"

	"gatehouse/config/problem"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/explain"
)

// Reloaded is the answer to POST /-/reload.
type Reloaded struct {
	Reloaded bool          `json:"reloaded"`
	Changes  *explain.Diff `json:"changes,omitempty"` // nil when the table was refused
	Problems []Problem     `json:"problems"`          // why the table was refused; or warnings about the new table
}

// Problem is a problem.Problem as JSON, here and in `check --format json`.
type Problem struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Severity string `json:"severity"` // error or warning
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

// Problems returns the problems of a table as JSON values.
func Problems(problems problem.List) []Problem {
	list := make([]Problem, 0, len(problems))
	for _, p := range problems {
		list = append(list, Problem{
			File: p.File, Line: p.Line, Column: p.Column, Severity: p.Severity.String(), Message: p.Message, Hint: p.Hint,
		})
	}
	return list
}

// serveReload serves POST /-/reload. It answers 200 with the changes, or 400
// with every problem, and then nothing has changed. It ignores the body.
func serveReload(w http.ResponseWriter, r *http.Request, reload Reload) {
	diff, warnings, err := reload(r.Context())
	if err == nil {
		httperr.WriteJSON(w, http.StatusOK, Reloaded{Reloaded: true, Changes: &diff, Problems: Problems(warnings)})
		return
	}
	var problems problem.List
	if !errors.As(err, &problems) {
		problems = problem.List{{Message: err.Error()}}
	}
	httperr.WriteJSON(w, http.StatusBadRequest, Reloaded{Problems: Problems(problems)})
}
