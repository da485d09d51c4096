package auth

import (
	"context"
	"errors"
	"net/http"

	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// Rule is what a route, or a built-in endpoint, asks of a request.
type Rule struct {
	Policy config.Policy
	Roles  []string // the user must have one of them; empty asks nothing
}

// Gate decides who may pass. It is safe for concurrent use.
type Gate struct {
	tokens *Verifier
	users  UserStates // nil with `users: off`
}

// NewGate makes a gate that accepts the verifier's tokens. With users it also
// asks for the state of the user on every request; with nil the token is all
// there is.
func NewGate(tokens *Verifier, users UserStates) *Gate {
	return &Gate{tokens: tokens, users: users}
}

// Forget lets go of the tokens that the gate remembers. It is for a gate whose
// table was replaced, and which a stream from before may keep for days.
func (g *Gate) Forget() {
	if g.tokens != nil { // a table that is only asked about has no verifier
		g.tokens.verified.forget()
	}
}

// Decide is the truth table of the package documentation. It returns who
// passed, or why nobody did; both are nil where the policy asks for nobody.
func (g *Gate) Decide(ctx context.Context, header http.Header, rule Rule) (*Identity, *httperr.Error) {
	token, refusal := bearerToken(header)
	if refusal == refuseTwoTokens { // on open routes, too: the backend would choose one
		return nil, refusal
	}
	if asks, unknown := rule.needsIdentity(); !asks {
		return nil, unknown
	}
	if refusal != nil {
		return nil, refusal
	}
	identity, refusal := g.tokens.Verify(ctx, token)
	if refusal != nil {
		return nil, refusal
	}
	if g.users != nil {
		if identity, refusal = g.checkUser(ctx, identity); refusal != nil {
			return identity, refusal
		}
	}
	return identity, rule.authorize(identity)
}

// needsIdentity reports whether the rule wants to know who is asking at all. An unknown
// policy is refused, whatever the request holds.
func (rule Rule) needsIdentity() (bool, *httperr.Error) {
	switch rule.Policy {
	case config.PolicyNone:
		return false, nil
	case config.PolicyInitial, config.PolicyStrict:
		return true, nil
	}
	return false, StoreUnavailable.Because(errors.New("unknown policy " + string(rule.Policy)))
}

// authorize holds a known caller against the rule: the last rows of the table.
func (rule Rule) authorize(identity *Identity) *httperr.Error {
	if identity.CompanyID == "" && rule.Policy == config.PolicyStrict {
		return refuseNoCompany
	}
	if !identity.hasRole(rule.Roles) {
		return refuseRole
	}
	return nil
}

// checkUser holds what the token says against what is true of the user now.
func (g *Gate) checkUser(ctx context.Context, token *Identity) (*Identity, *httperr.Error) {
	if !token.user.isUUID() {
		return token, refuseBadSubject
	}
	state, err := g.users.UserState(ctx, token.user.id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return token, refuseUnknownUser
	case err != nil:
		return token, StoreUnavailable.Because(err)
	case !state.Active:
		return token, refuseInactive
	case state.revokes(token.IssuedAt):
		return token, refuseRevoked
	}
	if token.CompanyID != "" {
		if !token.company.isUUID() {
			return token, refuseBadCompany
		}
		if state.CompanyID == nil || *state.CompanyID != token.company.id {
			return token, refuseMoved
		}
	}
	return token.withRole(state.Role), nil
}
