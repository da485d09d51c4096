package auth

import (
	"context"
	"errors"
	"net/http"

	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// Rule is what a route or a built-in endpoint requires of a request.
type Rule struct {
	Policy config.Policy
	Roles  []string // the user must have one of them; empty allows every role
}

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

// needsIdentity reports whether the rule looks at the credential of a request.
// An unknown policy refuses every request.
func (rule Rule) needsIdentity() (bool, *httperr.Error) {
	switch rule.Policy {
	case config.PolicyNone:
		return false, nil
	case config.PolicyOptional, config.PolicyInitial, config.PolicyStrict:
		return true, nil
	}
	return false, StoreUnavailable.Because(errors.New("unknown policy " + string(rule.Policy)))
}

// allowsAnonymous reports whether a caller without any credential passes. A
// table with such a rule has neither roles nor claims; if there were any, the
// caller would not have them.
func (rule Rule) allowsAnonymous() bool {
	return rule.Policy == config.PolicyOptional && len(rule.Roles) == 0
}

// authorize checks a known caller against the rule: the last rows of the table.
func (rule Rule) authorize(identity *Identity) *httperr.Error {
	if identity.CompanyID == "" && rule.Policy == config.PolicyStrict {
		return refuseNoCompany
	}
	if !identity.hasRole(rule.Roles) {
		return refuseRole
	}
	return nil
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
