package auth

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// Decider decides who may pass. The Gate decides for requests.
// SimulatedIdentity decides for `explain` and for the table's own tests.
type Decider interface {
	Decide(ctx context.Context, header http.Header, rule Rule) (*Identity, *httperr.Error)
}

// SimulatedIdentity decides as the Gate would for a caller whose token has
// these claims and is good in every other way. Nil means a caller without a
// token.
type SimulatedIdentity map[string]any

// The callers of `--as` and of `tests:`. No user has their ids.
var personas = map[string]SimulatedIdentity{
	"anonymous": nil,
	"newcomer":  {"sub": simulatedUser, "email": simulatedEmail, "role": store.DefaultRole},
	"member":    {"sub": simulatedUser, "email": simulatedEmail, "role": store.DefaultRole, "company_id": simulatedCompany},
}

const (
	simulatedUser    = "00000000-0000-4000-8000-000000000001"
	simulatedCompany = "00000000-0000-4000-8000-00000000000c"
	simulatedEmail   = "somebody@example.com"
)

// Persona returns one of the callers of `tests:`: anonymous, newcomer (a token
// without a company) or member.
func Persona(name string) (SimulatedIdentity, bool) {
	persona, found := personas[name]
	return persona, found
}

// Personas returns their names, sorted.
func Personas() []string { return slices.Sorted(maps.Keys(personas)) }

// Decide implements Decider.
func (s SimulatedIdentity) Decide(_ context.Context, header http.Header, rule Rule) (*Identity, *httperr.Error) {
	if _, refusal := bearerToken(header); refusal == refuseTwoTokens {
		return nil, refusal
	}
	if asks, refusal := rule.needsIdentity(); !asks {
		return nil, refusal
	}
	if s == nil {
		if _, given := header["Authorization"]; !given && rule.allowsAnonymous() {
			return nil, nil
		}
		return nil, refuseNoToken
	}
	identity, refusal := identify(map[string]any(s))
	if refusal != nil {
		return nil, refusal
	}
	return identity, rule.authorize(identity)
}
