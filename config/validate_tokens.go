// This file has the rules for other issuers of tokens.

package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

func (v *validator) issuers() {
	first := map[string]int{}
	for i, field := range v.file.Get("tokens").Entries() {
		issuer := v.config.Tokens[i]
		field.Require("issuer", issuer.Issuer, "the exact `iss` claim of its tokens")
		if line, taken := first[issuer.Issuer]; taken {
			if field.Get("issuer") != nil {
				field.FailValue("issuer", "is given twice", "first given at line "+strconv.Itoa(line))
			}
		}
		if issuer.Issuer != "" {
			first[issuer.Issuer] = field.Line()
		}
		field.Require("keys", issuer.Keys, "an https URL or a file, with a JWKS or a PEM")
		if issuer.Keys != "" {
			field.Check("keys", issuer.Keys, keysRule)
		}
		v.audience(field, issuer.Audience)
		v.algorithms(field, issuer.Algorithms)
		v.claims(field, issuer)
		if given := field.Get("leeway"); given != nil && issuer.Leeway > MaxLeeway {
			given.Reject(&problem.Fault{Reason: "at most 5m", Hint: "it is for clocks that differ; let the issuer make tokens that last longer"})
		}
	}
}

// audience checks the values for `aud`. An empty value would allow every
// audience.
func (v *validator) audience(field *yamldoc.Field, audiences Audiences) {
	const hint = "what `aud` must contain; omit it to accept the issuer's tokens for any service"
	rule := func(audience string) *problem.Fault {
		if strings.TrimSpace(audience) == "" {
			return &problem.Fault{Reason: "is empty", Hint: hint}
		}
		return nil
	}
	given := field.Get("audience")
	switch {
	case given == nil:
	case len(audiences) == 0:
		given.Fail("is empty", hint)
	case given.IsPlain():
		field.Check("audience", audiences[0], rule)
	default:
		field.CheckEach("audience", audiences, rule)
	}
}

func (v *validator) algorithms(field *yamldoc.Field, algorithms []string) {
	const hint = "such as [RS256]; the gateway never takes them from a token"
	if !field.Given("algorithms") {
		field.Missing("algorithms", hint)
		return
	}
	if given := field.Get("algorithms"); given != nil && len(algorithms) == 0 {
		given.Fail("is empty", hint)
		return
	}
	field.CheckEach("algorithms", algorithms, algorithmRule)
}

// algorithmRule checks a signature algorithm (RFC 7518 section 3.1 and RFC
// 8037). Algorithms with a shared secret are refused: whoever can read the keys
// of an issuer could sign as the issuer.
func algorithmRule(algorithm string) *problem.Fault {
	known := AlgorithmNames()
	switch {
	case strings.EqualFold(algorithm, "none"):
		return &problem.Fault{Reason: "an unsigned token proves nothing", Hint: "one of " + strings.Join(known, ", ")}
	case strings.HasPrefix(strings.ToUpper(algorithm), "HS"):
		return &problem.Fault{Reason: "an algorithm with a shared secret", Hint: "a shared secret goes into GATEWAY_JWT_SECRET"}
	}
	return problem.OneOf("algorithm", algorithm, known...)
}

// AlgorithmNames returns the signature algorithms that an issuer may use.
func AlgorithmNames() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// keysRule checks where the keys of an issuer are. A URL must be https, because
// an attacker who can change the keys in transit can sign as the issuer.
func keysRule(keys string) *problem.Fault {
	if !strings.Contains(keys, "://") {
		return nil
	}
	parsed, f := value.ParseURL(keys)
	switch {
	case f != nil:
		return f
	case parsed.Scheme == "file":
		return &problem.Fault{Reason: "a file is given by its path", Write: parsed.Path}
	case parsed.User != nil:
		return &problem.Fault{Reason: "must not contain a user name or a password"}
	case parsed.Hostname() == "":
		return &problem.Fault{Reason: "has no host"}
	case parsed.Fragment != "":
		return &problem.Fault{Reason: "must not have a fragment"}
	case parsed.Scheme == "https", parsed.Scheme == "http" && isLoopback(parsed):
		return nil
	case parsed.Scheme == "http":
		return &problem.Fault{Reason: "the URL of keys must be https", Hint: "http is for loopback addresses only"}
	}
	return unknownScheme(parsed.Scheme)
}

func isLoopback(u *url.URL) bool {
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}

func (v *validator) claims(field *yamldoc.Field, issuer Issuer) {
	field.RefuseEmpty("claims", "if the issuer's claims have our names")
	for name, claim := range field.Get("claims").Keys() {
		switch {
		case name == "":
			claim.FailKey("a claim of ours has no name", "ours: theirs")
		case claim.Valid() && issuer.Claims[name] == "":
			claim.Fail("names no claim", "ours: theirs, such as company_id: org_id")
		case claim.Valid():
			if f := claimNameRule(issuer.Claims[name]); f != nil {
				claim.Reject(f)
			}
		}
	}
}
