package auth

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"gatehouse/config"
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

// Simulated returns a caller of `tests:` or of `--as`. A caller that is no persona is
// a member with other roles, another company, or more claims.
func Simulated(caller *config.Caller) Decider {
	if caller.Basic != "" {
		return SimulatedBasic{caller.Basic}
	}
	return simulatedIdentity(caller)
}

func simulatedIdentity(caller *config.Caller) SimulatedIdentity {
	if persona, found := personas[caller.Name]; found {
		return persona
	}
	claims := maps.Clone(personas["member"])
	maps.Copy(claims, caller.Claims)
	switch caller.Company {
	case "":
	case config.NoCompany:
		delete(claims, "company_id")
	default:
		claims["company_id"] = string(caller.Company)
	}
	switch len(caller.Roles) {
	case 0:
	case 1:
		claims["role"] = caller.Roles[0]
	default:
		roles := make([]any, len(caller.Roles))
		for i, role := range caller.Roles {
			roles[i] = role
		}
		claims["role"] = roles
	}
	return claims
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

// BasicCaller is a Decider that also decides, for questions, about routes with `basic`.
// accept returns the refusal of a user's name, as if with the right password.
type BasicCaller interface {
	DecideBasic(accept func(name string) *httperr.Error) *httperr.Error
}

// SimulatedBasic is a caller who sends a user name of an htpasswd file with the right
// password, and so no token.
type SimulatedBasic struct{ Name string }

// Decide implements Decider.
func (s SimulatedBasic) Decide(_ context.Context, _ http.Header, rule Rule) (*Identity, *httperr.Error) {
	if asks, refusal := rule.needsIdentity(); !asks {
		return nil, refusal
	}
	return nil, refuseScheme
}

// DecideBasic implements BasicCaller.
func (s SimulatedBasic) DecideBasic(accept func(name string) *httperr.Error) *httperr.Error {
	return accept(s.Name)
}

var _ BasicCaller = SimulatedBasic{}

// WithoutUsers decides for `explain` when the users cannot be asked. It refuses what
// depends on a user's role, and otherwise trusts the token.
type WithoutUsers struct {
	Gate  *Gate // without users
	Cause error // why they cannot be asked
}

// Decide implements Decider.
func (w WithoutUsers) Decide(ctx context.Context, header http.Header, rule Rule) (*Identity, *httperr.Error) {
	isRole := func(claim ClaimRule) bool { return claim.Name == "role" }
	needsRole := len(rule.Roles) > 0 || slices.ContainsFunc(rule.Claims, isRole)
	rule.Roles, rule.Claims = nil, slices.DeleteFunc(slices.Clone(rule.Claims), isRole)
	identity, refusal := w.Gate.Decide(ctx, header, rule)
	if refusal == nil && needsRole {
		return nil, StoreUnavailable.Because(w.Cause)
	}
	return identity, refusal
}
