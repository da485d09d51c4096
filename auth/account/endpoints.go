package account

// This file mounts the built-in users endpoints. It lists them with what each
// requires of a request, and has the steps that they share.

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// storeTimeout bounds the work of an endpoint after the request is read. A
// database that does not answer within it counts as unreachable.
const storeTimeout = 10 * time.Second

// Options configure the users endpoints. Log and Metrics may be nil.
type Options struct {
	Gate      *auth.Gate // must be a gate with users
	Signer    *auth.Signer
	Store     store.Store
	Passwords *Passwords

	// The companies that ensure-company may join: the default company and those
	// in Companies. With config.JoinAny a user may join any company.
	DefaultCompanyID *uuid.UUID
	Companies        []uuid.UUID
	Join             config.Join

	// Changed is called with the id of a user whose row an endpoint has
	// changed. So the next request here does not wait for the store's feed. It
	// may be nil.
	Changed func(id uuid.UUID)

	Metrics LoginMetrics
	Log     *slog.Logger
	Now     func() time.Time
}

// Handler serves the endpoints under /api/v1/users, with that prefix stripped.
type Handler struct {
	Options
	endpoints []endpoint
	throttle  *throttle
}

// endpoint is one method of one path, with its policy.
type endpoint struct {
	method string // GET also serves HEAD
	path   string
	policy config.Policy
	serve  serveFunc
}

// serveFunc answers a request that passed the policy. It returns the JSON value
// of a 200, nil for a 204, or a refusal.
type serveFunc func(ctx context.Context, who *auth.Identity, body body) (any, *httperr.Error)

// New returns the handler. It must be mounted with http.StripPrefix.
func New(options Options) *Handler {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Metrics == nil {
		options.Metrics = discardMetrics{}
	}
	if options.Changed == nil {
		options.Changed = func(uuid.UUID) {}
	}
	h := &Handler{Options: options}
	h.throttle = &throttle{attempts: options.Store, now: options.Now, log: options.Log}
	h.endpoints = []endpoint{
		{http.MethodPost, "/login", config.PolicyNone, h.login},
		{http.MethodGet, "/me", config.PolicyInitial, h.me},
		{http.MethodPost, "/me/ensure-company", config.PolicyInitial, h.ensureCompany},
		{http.MethodPut, "/me/password", config.PolicyInitial, h.changePassword},
		{http.MethodPost, "/me/logout-everywhere", config.PolicyInitial, h.logoutEverywhere},
	}
	return h
}

// ServeHTTP runs the request through find, Gate, body and endpoint, in this
// order. The first refusal is the answer.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Answers contain tokens (RFC 6749 section 5.1) or data about one person.
	w.Header().Set("Cache-Control", "no-store")
	answer, refusal := h.answer(w, r)
	switch {
	case refusal != nil:
		refusal.WriteTo(w)
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		httperr.WriteJSON(w, http.StatusOK, answer)
	}
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request) (any, *httperr.Error) {
	endpoint, refusal := h.find(r)
	if refusal != nil {
		auth.RecordDecision(r.Context(), nil, refusal)
		return nil, refusal
	}
	who, refusal := h.Gate.Decide(r.Context(), r.Header, auth.Rule{Policy: endpoint.policy})
	auth.RecordDecision(r.Context(), who, refusal)
	if refusal != nil {
		return nil, refusal
	}
	var sent body
	if endpoint.method != http.MethodGet {
		if sent, refusal = readBody(w, r); refusal != nil {
			auth.RecordDecision(r.Context(), who, refusal)
			return nil, refusal
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	answer, refusal := endpoint.serve(ctx, who, sent)
	if refusal != nil {
		auth.RecordDecision(ctx, who, refusal)
	}
	return answer, refusal
}

// Rule returns what the endpoint of a request requires, without answering the
// request.
func (h *Handler) Rule(r *http.Request) (auth.Rule, *httperr.Error) {
	endpoint, refusal := h.find(r)
	if refusal != nil {
		return auth.Rule{}, refusal
	}
	return auth.Rule{Policy: endpoint.policy}, nil
}

// find compares paths as they were sent. Each path has one spelling only.
func (h *Handler) find(r *http.Request) (*endpoint, *httperr.Error) {
	var allow []string
	for i := range h.endpoints {
		endpoint := &h.endpoints[i]
		if endpoint.path != r.URL.EscapedPath() {
			continue
		}
		if endpoint.method == r.Method || endpoint.method == http.MethodGet && r.Method == http.MethodHead {
			return endpoint, nil
		}
		allow = append(allow, endpoint.method)
		if endpoint.method == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	if allow == nil {
		return nil, httperr.NotFound
	}
	return nil, httperr.MethodNotAllowed(strings.Join(allow, ", "))
}

// currentUser returns the user's row as it is now. The Gate may have used an
// older state.
func (h *Handler) currentUser(ctx context.Context, who *auth.Identity) (store.User, *httperr.Error) {
	user, err := h.Store.UserByID(ctx, who.UserUUID())
	if err != nil {
		return user, refuseStore(err)
	}
	return user, auth.CheckCurrent(who, user)
}

// changeUser changes the row of a user whom the Gate has let pass.
func (h *Handler) changeUser(ctx context.Context, id uuid.UUID, change store.Change) (store.User, *httperr.Error) {
	user, err := h.Store.UpdateUser(ctx, id, change)
	if err != nil {
		return user, refuseStore(err)
	}
	h.Changed(id)
	return user, nil
}
