package auth

import (
	"context"
	"errors"
	"net/http"

	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// Gate decides who may pass. It is safe for concurrent use.
type Gate struct {
	tokens *Verifier
	users  UserStates // nil with `users: off`
}

// NewGate returns a gate that accepts the verifier's tokens. With users it also
// checks the state of the user on every request. With nil users it checks the
// token only.
func NewGate(tokens *Verifier, users UserStates) *Gate {
	return &Gate{tokens: tokens, users: users}
}

// Forget drops the remembered tokens. It is called when the gate's table was
// replaced, because an old stream may keep the gate in memory for days.
func (g *Gate) Forget() {
	if g.tokens != nil { // a table that only answers questions has no verifier
		g.tokens.verified.forget()
	}
}

// Decide implements the truth table of the package documentation. It returns
// who passed, or the refusal. Both are nil when the policy needs no identity, or
// allows callers without one.
func (g *Gate) Decide(ctx context.Context, header http.Header, rule Rule) (*Identity, *httperr.Error) {
	token, refusal := bearerToken(header)
	if refusal == refuseTwoTokens { // on open routes, too: the backend would choose one of them
		return nil, refusal
	}
	if asks, unknown := rule.needsIdentity(); !asks {
		return nil, unknown
	}
	if refusal == refuseNoToken && rule.allowsAnonymous() {
		return nil, nil
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

// checkUser checks the token's claims against the user's current state.
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
