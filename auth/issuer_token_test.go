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

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"
)

// TestAlgorithmConfusion tries every way to sign with something that an issuer
// publishes.
func TestAlgorithmConfusion(t *testing.T) {
	rsaKey, ecKey, edKey := authtest.NewRSA(t, 2048), authtest.NewEC(t, elliptic.P256()), authtest.NewEd25519(t)
	set := authtest.JWKS(t, authtest.NamedKey{ID: "rsa", Key: rsaKey}, authtest.NamedKey{ID: "ec", Key: ecKey}, authtest.NamedKey{ID: "ed", Key: edKey})
	theirs := authtest.Listed(testkit.TempFile(t, "keys", set))
	theirs.Algorithms = []string{"RS256", "ES256", "EdDSA"}
	careless := theirs // no table gets that far
	careless.Issuer = "https://careless.example.com/"
	careless.Algorithms = []string{"HS256", "HS384", "HS512", "none"}
	verifier := verifierOf(t, theirs, careless)

	attacker := authtest.NewRSA(t, 2048)
	sign := func(method jwt.SigningMethod, key any, id string, header map[string]any, changes jwt.MapClaims) string {
		all := map[string]any{"kid": id}
		maps.Copy(all, header)
		return authtest.SignedWith(t, method, key, authtest.IssuerClaims(changes), all)
	}
	secrets := map[string][]byte{
		"PEM": authtest.PublicPEM(t, rsaKey.Public()), "DER": authtest.PublicDER(t, rsaKey.Public()), "modulus": rsaKey.N.Bytes(),
		"EC PEM": authtest.PublicPEM(t, ecKey.Public()), "Ed25519": edKey.Public().(ed25519.PublicKey), "JWKS": set, "nothing": {},
		"trimmed PEM": []byte(strings.TrimSpace(string(authtest.PublicPEM(t, rsaKey.Public())))),
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
		"algorithm None":              {signedText(t, jwt.SigningMethodNone, unsigned, `{"alg":"None"}`, `{"iss":"`+authtest.IssuerName+`"}`), refuseAlgorithm},
		"algorithm NONE":              {signedText(t, jwt.SigningMethodNone, unsigned, `{"alg":"NONE"}`, `{"iss":"`+authtest.IssuerName+`"}`), refuseAlgorithm},
		"none, and careless":          {sign(jwt.SigningMethodNone, unsigned, "rsa", nil, jwt.MapClaims{"iss": careless.Issuer}), refuseKey},
		"another of the key's type":   {sign(jwt.SigningMethodPS256, rsaKey, "rsa", nil, nil), refuseAlgorithm},
		"longer hash":                 {sign(jwt.SigningMethodRS512, rsaKey, "rsa", nil, nil), refuseAlgorithm},
		"algorithm of another key":    {sign(jwt.SigningMethodRS256, rsaKey, "ec", nil, nil), refuseKey},
		"key of nobody's":             {sign(jwt.SigningMethodRS256, attacker, "rsa", nil, nil), refuseSignature},
		"key of nobody's, unnamed":    {sign(jwt.SigningMethodRS256, attacker, "", nil, nil), refuseSignature},
		"name of nobody's":            {sign(jwt.SigningMethodRS256, rsaKey, "../rsa", nil, nil), refuseKey},
		"our secret":                  {sign(jwt.SigningMethodHS256, []byte(authtest.Secret), "rsa", nil, nil), refuseAlgorithm},
		"their key, but no issuer":    {sign(jwt.SigningMethodRS256, rsaKey, "rsa", nil, jwt.MapClaims{"iss": nil}), refuseAlgorithm},
		"their key, issuer in a list": {sign(jwt.SigningMethodRS256, rsaKey, "rsa", nil, jwt.MapClaims{"iss": []string{authtest.IssuerName}}), refuseAlgorithm},
		"their key, other issuer":     {sign(jwt.SigningMethodRS256, rsaKey, "rsa", nil, jwt.MapClaims{"iss": strings.TrimSuffix(authtest.IssuerName, "/")}), refuseAlgorithm},
		"issuer twice": {signedText(t, jwt.SigningMethodEdDSA, edKey, `{"alg":"EdDSA","kid":"ed"}`,
			`{"iss":"https://other.example.com/","iss":"`+authtest.IssuerName+`","sub":"a","exp":99999999999}`), refuseMalformed},
		"critical extension": {sign(jwt.SigningMethodRS256, rsaKey, "rsa", map[string]any{"crit": []string{"exp"}}, nil), refuseMalformed},
		"key in the header": {sign(jwt.SigningMethodRS256, attacker, "rsa",
			map[string]any{"jwk": jose.JSONWebKey{Key: attacker.Public(), KeyID: "rsa"}}, nil), refuseSignature},
		"good, with its key in the header": {sign(jwt.SigningMethodRS256, rsaKey, "rsa",
			map[string]any{"jwk": jose.JSONWebKey{Key: rsaKey.Public(), KeyID: "rsa"}, "x5c": []string{"AAAA"}, "x5t": 7}, nil), nil},
		"certificate in the header": {sign(jwt.SigningMethodRS256, attacker, "rsa",
			map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(authtest.PublicDER(t, attacker.Public()))}}, nil), refuseSignature},
	} {
		t.Run(name, func(t *testing.T) { expectRefusal(t, verifier, test.token, test.want) })
	}
}

// A token cannot cause the gateway to fetch anything.
func TestTokenFetchesNothing(t *testing.T) {
	good, evil := authtest.NewNamedKey(t, "good"), authtest.NewNamedKey(t, "evil")
	server, trap := authtest.NewIssuerServer(t, good), authtest.NewIssuerServer(t, evil)
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, authtest.Listed(server.URL))
		gateway.expect(t, good.Token(t), nil)
		authtest.Sleep(keys.ReadInterval)
		// Fields of a token that name its key make no difference, neither for a
		// token signed with a known key nor for any other.
		for _, header := range []string{"jku", "x5u"} {
			for id, want := range map[string]*httperr.Error{"evil": refuseKey, "good": refuseSignature, trap.URL: refuseKey} {
				token := authtest.SignedWith(t, jwt.SigningMethodES256, evil.Key, authtest.IssuerClaims(nil), map[string]any{"kid": id, header: trap.URL})
				gateway.expect(t, token, want)
			}
			for _, place := range []any{trap.URL, 7, []string{trap.URL}} {
				token := authtest.SignedWith(t, jwt.SigningMethodES256, good.Key, authtest.IssuerClaims(nil), map[string]any{"kid": "good", header: place})
				gateway.expect(t, token, nil)
			}
		}
		authtest.Sleep(keys.ReadInterval)
		other := authtest.SignedWith(t, jwt.SigningMethodES256, evil.Key, authtest.IssuerClaims(jwt.MapClaims{"iss": trap.URL}), map[string]any{"kid": "evil"})
		gateway.expect(t, other, refuseAlgorithm)
		synctest.Wait()
		server.ExpectRequests(t, 2) // at the start, and for a key that it did not have
		trap.ExpectRequests(t, 0)
	})
}

func TestAudience(t *testing.T) {
	key := authtest.NewNamedKey(t, "a")
	theirs := authtest.Listed(testkit.TempFile(t, "keys", authtest.JWKS(t, key)))
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
			token := authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(jwt.MapClaims{"aud": test.audience}), map[string]any{"kid": "a"})
			expectRefusal(t, verifier, token, test.want)
			expectRefusal(t, anybody, token, nil)
		})
	}
}

// Only claims that the issuer names differently are translated.
func TestClaimsTranslated(t *testing.T) {
	key := authtest.NewNamedKey(t, "a")
	theirs := authtest.Listed(testkit.TempFile(t, "keys", authtest.JWKS(t, key)))
	theirs.Claims = map[string]string{"company_id": "org_id", "role": "https://example.com/role", "tenant": "company_id", "sub": "oid"}
	verifier := verifierOf(t, theirs)
	verify := func(changes jwt.MapClaims) (*Identity, *httperr.Error) {
		return verifier.Verify(t.Context(), authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(changes), nil))
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
		"expired":                 {jwt.MapClaims{"oid": "ann", "exp": authtest.Noon.Unix()}, refuseExpired},
	} {
		if _, refusal := verify(test.changes); !authtest.SameRefusal(refusal, test.want) {
			t.Errorf("%s: got %v, want %v", name, refusal, test.want)
		}
	}
}

// TestGateIssuers checks that tokens of other issuers follow the same table.
func TestGateIssuers(t *testing.T) {
	key := authtest.NewNamedKey(t, "a")
	server := authtest.NewIssuerServer(t, key)
	member, stranger := "0d9ff6c2-8d8d-4a4e-9d53-6f3b8a1c2e10", authtest.NewNamedKey(t, "b")
	synctest.Test(t, func(t *testing.T) {
		verifier := newLiveIssuers(t, nil, authtest.Listed(server.URL)).Verifier
		gate := NewGate(verifier, oneUser{Active: true, CompanyID: &authtest.Acme, Role: "editor"})
		for name, test := range map[string]struct {
			token string
			want  answer
		}{
			"good":              {key.Token(t), passes},
			"unknown key":       {stranger.Token(t), invalid("Token validation failed: signing key is not known.")},
			"no company":        {authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(jwt.MapClaims{"company_id": nil}), nil), noFirm},
			"another's company": {authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(jwt.MapClaims{"company_id": authtest.Globex.String()}), nil), moved},
			"user of another":   {authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(jwt.MapClaims{"sub": "auth0|7"}), nil), badUser},
		} {
			got, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + test.token}}, Rule{Policy: config.PolicyStrict})
			if answerOf(t, refusal) != test.want {
				t.Errorf("%s: got %+v, want %+v", name, answerOf(t, refusal), test.want)
			}
			if refusal == nil && (got.UserID != member || got.Role != "editor") {
				t.Errorf("%s: identity %+v", name, got)
			}
		}
		server.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
		authtest.Sleep(keys.ReadInterval)
		recorder := httptest.NewRecorder()
		_, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + stranger.Token(t)}}, Rule{Policy: config.PolicyStrict})
		refusal.WriteTo(recorder)
		if recorder.Code != 503 || recorder.Header().Get("Retry-After") != "5" || refusal.AuthResult != string(ResultUnavailable) {
			t.Errorf("with the issuer down: %+v", refusal)
		}
	})
}
