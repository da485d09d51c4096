package auth

import (
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"gatehouse/config"
	"gatehouse/internal/httperr"
)

// TestAlgorithmConfusion is every way in which what an issuer publishes could
// be made to sign.
func TestAlgorithmConfusion(t *testing.T) {
	rsaKey, ecKey, edKey := newRSA(t, 2048), newEC(t, elliptic.P256()), newEd25519(t)
	set := jwks(t, namedKey{"rsa", rsaKey}, namedKey{"ec", ecKey}, namedKey{"ed", edKey})
	theirs := listed(fileWith(t, set))
	theirs.Algorithms = []string{"RS256", "ES256", "EdDSA"}
	careless := theirs // no table gets that far
	careless.Issuer = "https://careless.example.com/"
	careless.Algorithms = []string{"HS256", "HS384", "HS512", "none"}
	verifier := verifierOf(t, theirs, careless)

	attacker := newRSA(t, 2048)
	sign := func(method jwt.SigningMethod, key any, id string, header map[string]any, changes jwt.MapClaims) string {
		all := map[string]any{"kid": id}
		maps.Copy(all, header)
		return signedWith(t, method, key, issued(changes), all)
	}
	secrets := map[string][]byte{
		"PEM": publicPEM(t, rsaKey.Public()), "DER": publicDER(t, rsaKey.Public()), "modulus": rsaKey.N.Bytes(),
		"EC PEM": publicPEM(t, ecKey.Public()), "Ed25519": edKey.Public().(ed25519.PublicKey), "JWKS": set, "nothing": {},
		"trimmed PEM": []byte(strings.TrimSpace(string(publicPEM(t, rsaKey.Public())))),
	}
	for name, secret := range secrets {
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
			for _, id := range []string{"rsa", "ec", "ed", ""} {
				expectRefusal(t, verifier, sign(method, secret, id, nil, nil), refuseAlgorithm)
				token := sign(method, secret, id, nil, jwt.MapClaims{"iss": careless.Issuer})
				if _, refusal := verifier.Verify(t.Context(), token); refusal == nil {
					t.Errorf("%s with the %s as its secret is accepted", method.Alg(), name)
				}
			}
		}
	}

	unsigned := jwt.UnsafeAllowNoneSignatureType
	for name, test := range map[string]struct {
		token string
		want  *httperr.Error
	}{
		"good RS256":                  {sign(jwt.SigningMethodRS256, rsaKey, "rsa", nil, nil), nil},
		"good ES256":                  {sign(jwt.SigningMethodES256, ecKey, "ec", nil, nil), nil},
		"good EdDSA":                  {sign(jwt.SigningMethodEdDSA, edKey, "ed", nil, nil), nil},
		"algorithm none":              {sign(jwt.SigningMethodNone, unsigned, "rsa", nil, nil), refuseAlgorithm},
		"algorithm None":              {signedText(t, jwt.SigningMethodNone, unsigned, `{"alg":"None"}`, `{"iss":"`+issuerName+`"}`), refuseAlgorithm},
		"algorithm NONE":              {signedText(t, jwt.SigningMethodNone, unsigned, `{"alg":"NONE"}`, `{"iss":"`+issuerName+`"}`), refuseAlgorithm},
		"none, and careless":          {sign(jwt.SigningMethodNone, unsigned, "rsa", nil, jwt.MapClaims{"iss": careless.Issuer}), refuseKey},
		"another of the key's type":   {sign(jwt.SigningMethodPS256, rsaKey, "rsa", nil, nil), refuseAlgorithm},
		"longer hash":                 {sign(jwt.SigningMethodRS512, rsaKey, "rsa", nil, nil), refuseAlgorithm},
		"algorithm of another key":    {sign(jwt.SigningMethodRS256, rsaKey, "ec", nil, nil), refuseKey},
		"key of nobody's":             {sign(jwt.SigningMethodRS256, attacker, "rsa", nil, nil), refuseSignature},
		"key of nobody's, unnamed":    {sign(jwt.SigningMethodRS256, attacker, "", nil, nil), refuseSignature},
		"name of nobody's":            {sign(jwt.SigningMethodRS256, rsaKey, "../rsa", nil, nil), refuseKey},
		"our secret":                  {sign(jwt.SigningMethodHS256, []byte(secretOfTests), "rsa", nil, nil), refuseAlgorithm},
		"their key, but no issuer":    {sign(jwt.SigningMethodRS256, rsaKey, "rsa", nil, jwt.MapClaims{"iss": nil}), refuseAlgorithm},
		"their key, issuer in a list": {sign(jwt.SigningMethodRS256, rsaKey, "rsa", nil, jwt.MapClaims{"iss": []string{issuerName}}), refuseAlgorithm},
		"their key, other issuer":     {sign(jwt.SigningMethodRS256, rsaKey, "rsa", nil, jwt.MapClaims{"iss": strings.TrimSuffix(issuerName, "/")}), refuseAlgorithm},
		"issuer twice": {signedText(t, jwt.SigningMethodEdDSA, edKey, `{"alg":"EdDSA","kid":"ed"}`,
			`{"iss":"https://other.example.com/","iss":"`+issuerName+`","sub":"a","exp":99999999999}`), refuseMalformed},
		"critical extension": {sign(jwt.SigningMethodRS256, rsaKey, "rsa", map[string]any{"crit": []string{"exp"}}, nil), refuseMalformed},
		"key in the header": {sign(jwt.SigningMethodRS256, attacker, "rsa",
			map[string]any{"jwk": jose.JSONWebKey{Key: attacker.Public(), KeyID: "rsa"}}, nil), refuseSignature},
		"good, with its key in the header": {sign(jwt.SigningMethodRS256, rsaKey, "rsa",
			map[string]any{"jwk": jose.JSONWebKey{Key: rsaKey.Public(), KeyID: "rsa"}, "x5c": []string{"AAAA"}, "x5t": 7}, nil), nil},
		"certificate in the header": {sign(jwt.SigningMethodRS256, attacker, "rsa",
			map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(publicDER(t, attacker.Public()))}}, nil), refuseSignature},
	} {
		t.Run(name, func(t *testing.T) { expectRefusal(t, verifier, test.token, test.want) })
	}
}

// A token cannot make the gateway fetch anything.
func TestTokenFetchesNothing(t *testing.T) {
	good, evil := newNamedKey(t, "good"), newNamedKey(t, "evil")
	server, trap := newIssuerServer(t, good), newIssuerServer(t, evil)
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, listed(server.url))
		gateway.expect(t, good.token(t), nil)
		waitReal(ReadInterval)
		// Where a token says that its key is makes no difference: not to one that
		// a known key has signed, and least of all to any other.
		for _, header := range []string{"jku", "x5u"} {
			for id, want := range map[string]*httperr.Error{"evil": refuseKey, "good": refuseSignature, trap.url: refuseKey} {
				token := signedWith(t, jwt.SigningMethodES256, evil.key, issued(nil), map[string]any{"kid": id, header: trap.url})
				gateway.expect(t, token, want)
			}
			for _, place := range []any{trap.url, 7, []string{trap.url}} {
				token := signedWith(t, jwt.SigningMethodES256, good.key, issued(nil), map[string]any{"kid": "good", header: place})
				gateway.expect(t, token, nil)
			}
		}
		waitReal(ReadInterval)
		other := signedWith(t, jwt.SigningMethodES256, evil.key, issued(jwt.MapClaims{"iss": trap.url}), map[string]any{"kid": "evil"})
		gateway.expect(t, other, refuseAlgorithm)
		synctest.Wait()
		server.expectRequests(t, 2) // at the start, and for a key that it did not have
		trap.expectRequests(t, 0)
	})
}

func TestAudience(t *testing.T) {
	key := newNamedKey(t, "a")
	theirs := listed(fileWith(t, jwks(t, key)))
	anybody := verifierOf(t, theirs)
	theirs.Audience = config.Audiences{"atenex"}
	verifier := verifierOf(t, theirs)
	for name, test := range map[string]struct {
		audience any
		want     *httperr.Error
	}{
		"ours":          {"atenex", nil},
		"among others":  {[]string{"other", "atenex"}, nil},
		"another":       {"other", refuseAudience},
		"longer":        {"atenex2", refuseAudience},
		"in text":       {"other atenex", refuseAudience},
		"others":        {[]string{"other", "another"}, refuseAudience},
		"empty list":    {[]string{}, refuseAudience},
		"none":          {nil, refuseAudience},
		"number":        {7, refuseAudience},
		"list of other": {[]any{"atenex", 7}, refuseClaims},
	} {
		t.Run(name, func(t *testing.T) {
			token := signedWith(t, jwt.SigningMethodES256, key.key, issued(jwt.MapClaims{"aud": test.audience}), map[string]any{"kid": "a"})
			expectRefusal(t, verifier, token, test.want)
			expectRefusal(t, anybody, token, nil)
		})
	}
}

// What the issuer calls otherwise goes by our names, and only that does.
func TestClaimsTranslated(t *testing.T) {
	key := newNamedKey(t, "a")
	theirs := listed(fileWith(t, jwks(t, key)))
	theirs.Claims = map[string]string{"company_id": "org_id", "role": "https://example.com/role", "tenant": "company_id", "sub": "oid"}
	verifier := verifierOf(t, theirs)
	verify := func(changes jwt.MapClaims) (*Identity, *httperr.Error) {
		return verifier.Verify(t.Context(), signedWith(t, jwt.SigningMethodES256, key.key, issued(changes), nil))
	}

	got, refusal := verify(jwt.MapClaims{"oid": "ann", "org_id": "acme", "https://example.com/role": "admin", "role": "nobody", "company_id": "their own"})
	if refusal != nil {
		t.Fatal(refusal)
	}
	if got.UserID != "ann" || got.CompanyID != "acme" || got.Role != "admin" || got.Claim("tenant") != "their own" || got.Claim("org_id") != "acme" {
		t.Errorf("identity %+v", got)
	}
	got, refusal = verify(jwt.MapClaims{"oid": "ann", "role": "admin"})
	if refusal != nil {
		t.Fatal(refusal)
	}
	if got.CompanyID != "" || got.Role != "" {
		t.Errorf("claims of another meaning are believed: %+v", got)
	}
	for name, test := range map[string]struct {
		changes jwt.MapClaims
		want    *httperr.Error
	}{
		"no subject of that name": {nil, refuseNoSubject},
		"wrong type":              {jwt.MapClaims{"oid": true}, refuseClaims},
		"expired":                 {jwt.MapClaims{"oid": "ann", "exp": noon.Unix()}, refuseExpired},
	} {
		if _, refusal := verify(test.changes); !sameAnswer(refusal, test.want) {
			t.Errorf("%s: got %v, want %v", name, refusal, test.want)
		}
	}
}

// TestGateIssuers: tokens of other issuers go through the same table.
func TestGateIssuers(t *testing.T) {
	key := newNamedKey(t, "a")
	server := newIssuerServer(t, key)
	member, stranger := "0d9ff6c2-8d8d-4a4e-9d53-6f3b8a1c2e10", newNamedKey(t, "b")
	synctest.Test(t, func(t *testing.T) {
		verifier := newLiveIssuers(t, nil, listed(server.url)).Verifier
		gate := NewGate(verifier, oneUser{Active: true, CompanyID: &acme, Role: "editor"})
		for name, test := range map[string]struct {
			token string
			want  answer
		}{
			"good":              {key.token(t), passes},
			"unknown key":       {stranger.token(t), invalid("Token validation failed: signing key is not known.")},
			"no company":        {signedWith(t, jwt.SigningMethodES256, key.key, issued(jwt.MapClaims{"company_id": nil}), nil), noFirm},
			"another's company": {signedWith(t, jwt.SigningMethodES256, key.key, issued(jwt.MapClaims{"company_id": globex.String()}), nil), moved},
			"user of another":   {signedWith(t, jwt.SigningMethodES256, key.key, issued(jwt.MapClaims{"sub": "auth0|7"}), nil), badUser},
		} {
			got, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + test.token}}, Rule{Policy: config.PolicyStrict})
			if answerOf(t, refusal) != test.want {
				t.Errorf("%s: got %+v, want %+v", name, answerOf(t, refusal), test.want)
			}
			if refusal == nil && (got.UserID != member || got.Role != "editor") {
				t.Errorf("%s: identity %+v", name, got)
			}
		}
		server.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
		waitReal(ReadInterval)
		recorder := httptest.NewRecorder()
		_, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + stranger.token(t)}}, Rule{Policy: config.PolicyStrict})
		refusal.WriteTo(recorder)
		if recorder.Code != 503 || recorder.Header().Get("Retry-After") != "5" || refusal.AuthResult != string(ResultUnavailable) {
			t.Errorf("with the issuer down: %+v", refusal)
		}
	})
}
