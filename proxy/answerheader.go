package proxy

import (
	"net/http"
	"sync/atomic"
	"time"

	"gatehouse/auth"
	"gatehouse/proxy/clientip"
)

// AnswerHeader returns the header of the answer that the gateway itself would give to a
// request. It returns an empty header for a request that a backend or a built-in handler
// answers.
func (t *Table) AnswerHeader(r *http.Request, decider auth.Decider) http.Header {
	recorded := headerRecorder{}
	d := t.Decide(r, decider)
	caller := clientip.Find(clientip.PeerAt(r.RemoteAddr), r, t.trusted)
	w := &response{
		ResponseWriter: recorded, table: t, request: r, caller: &caller, start: time.Now(), id: "(a new UUID)", head: r.Method == http.MethodHead,
		http1: true, draining: new(atomic.Bool), length: -1,
	}
	w.useCORS(t.cors, r.Header)
	if d.Route != nil {
		w.route = t.routes[d.Route.Number]
		w.useCORS(w.route.cors, r.Header)
	}
	var asked preflight
	if d.Preflight {
		asked = t.preflight(r)
		w.useCORS(asked.policy, r.Header)
	}
	switch {
	case d.Refusal != nil:
		d.Refusal.WriteTo(w)
	case d.Preflight:
		_ = asked.policy.Preflight(w, r, w.allowOrigin, asked.methods)
	case d.Route == nil:
		w.WriteHeader(d.Answered)
	case t.routes[d.Route.Number].answer != nil:
		found := t.routes[d.Route.Number]
		if refusal := found.answer.Answer(w, found.forAnswer(r, d.Path)); refusal != nil {
			refusal.WriteTo(w)
		}
	}
	return http.Header(recorded)
}

// headerRecorder is an http.ResponseWriter that keeps only the header.
type headerRecorder http.Header

func (h headerRecorder) Header() http.Header         { return http.Header(h) }
func (h headerRecorder) Write(p []byte) (int, error) { return len(p), nil }
func (h headerRecorder) WriteHeader(int)             {}
