package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/internal/testkit"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Many ways to manipulate a token.
func TestVerifyRefuses(t *testing.T) {
	secret := []byte(authtest.Secret)
	good := authtest.Signed(t, authtest.Claims(nil))
	parts := strings.Split(good, ".")
	head, payload, signature := parts[0], parts[1], parts[2]
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	with := func(name string, value any) string {
		return authtest.Signed(t, authtest.Claims(jwt.MapClaims{name: value}))
	}
	withHeader := func(header map[string]any) string {
		return authtest.SignedWith(t, jwt.SigningMethodHS256, secret, authtest.Claims(nil), header)
	}

	// as returns a token with exactly this text, properly signed.
	as := func(header, payload string) string {
		return signedText(t, jwt.SigningMethodHS256, secret, header, payload)
	}
	const plainHeader = `{"alg":"HS256"}`

	tests := []struct {
		name, token string
		want        answer
	}{
		{"empty", "", malformed},
		{"dots", "..", malformed},
		{"two parts", head + "." + payload, malformed},
		{"four parts", good + ".e30", malformed},
		{"signature truncated", good[:len(good)-3], forged},
		{"signature emptied", head + "." + payload + ".", forged},
		{"payload truncated", head + "." + payload[:len(payload)-4] + "." + signature, malformed},
		{"payload exchanged", head + "." + part(`{"sub":"root","exp":99999999999}`) + "." + signature, forged},
		{"payload is no object", head + "." + part(`[]`) + "." + signature, malformed},
		{"header is no object", part(`"x"`) + "." + payload + "." + signature, malformed},
		{"padding", good + "=", malformed},
		{"line break", good + "\n", malformed},
		{"line break inside", good[:20] + "\r\n" + good[20:], malformed},
		{"another spelling of the signature", nextSpelling(good), malformed},
		{"standard base64", head + "." + payload + "." + "+/" + signature[2:], malformed},
		{"space inside", "x " + good, malformed},
		{"oversize", with("padding", strings.Repeat("x", maxTokenBytes)), malformed},

		{"algorithm none", authtest.SignedWith(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, authtest.Claims(nil), nil), algorithm},
		{"algorithm None", part(`{"alg":"None"}`) + "." + payload + ".", algorithm},
		{"algorithm missing", part(`{}`) + "." + payload + "." + signature, algorithm},
		{"algorithm not text", part(`{"alg":["HS256"]}`) + "." + payload + "." + signature, algorithm},
		{"algorithm HS512", authtest.SignedWith(t, jwt.SigningMethodHS512, secret, authtest.Claims(nil), nil), algorithm},
		{"algorithm unknown", part(`{"alg":"HS1024"}`) + "." + payload + "." + signature, algorithm},
		{"another secret", authtest.SignedWith(t, jwt.SigningMethodHS256, append(secret, 'x'), authtest.Claims(nil), nil), forged},
		{"critical extension", withHeader(map[string]any{"crit": []string{"b64"}, "b64": false}), malformed},
		{"critical and null", withHeader(map[string]any{"crit": nil}), malformed},

		{"brings its key", authtest.SignedWith(t, jwt.SigningMethodHS256, []byte("AAAA"), authtest.Claims(nil), map[string]any{"jwk": map[string]any{"kty": "oct", "k": "QUFBQQ"}}), forged},
		{"key id is a number", withHeader(map[string]any{"kid": 7}), malformed},

		{"claim twice", as(plainHeader, `{"sub":"a","exp":99999999999,"sub":"a"}`), malformed},
		{"claim twice, once escaped", as(plainHeader, `{"sub":"a","exp":99999999999,"s\u0075b":"b"}`), malformed},
		{"claim twice, once null", as(plainHeader, `{"sub":"a","exp":99999999999,"company_id":null,"company_id":"b"}`), malformed},
		{"algorithm twice", as(`{"alg":"none","alg":"HS256"}`, `{"sub":"a","exp":99999999999}`), malformed},
		{"two payloads", as(plainHeader, `{"sub":"a","exp":99999999999} {"sub":"b"}`), malformed},
		{"payload is null", as(plainHeader, `null`), malformed},
		{"header and more", as(plainHeader+"{}", `{"sub":"a","exp":99999999999}`), malformed},

		{"no exp", with("exp", nil), noExpiry},
		{"exp is text", with("exp", "99999999999"), noExpiry},
		{"exp in milliseconds", with("exp", authtest.Noon.UnixMilli()), noExpiry},
		{"exp is true", with("exp", true), noExpiry},
		{"exp now", with("exp", authtest.Noon.Unix()), expired},
		{"exp a second ago", with("exp", authtest.Noon.Unix()-1), expired},
		{"exp negative", with("exp", -1), expired},
		{"nbf in 31 s", with("nbf", authtest.Noon.Unix()+31), notYet},
		{"nbf is text", with("nbf", "0"), wrongType},
		{"iat in 31 s", with("iat", authtest.Noon.Unix()+31), notYet},
		{"iat next year", with("iat", authtest.Noon.AddDate(1, 0, 0).Unix()), notYet},
		{"iat is an object", with("iat", map[string]any{}), wrongType},

		{"no sub", with("sub", nil), noSubject},
		{"sub empty", with("sub", ""), noSubject},
		{"sub is true", with("sub", true), wrongType},
		{"sub is a list", with("sub", []string{"a"}), wrongType},
		{"sub would break a header", with("sub", "a\r\nX-Role: root"), wrongType},
		{"sub ends in space", with("sub", "a "), wrongType},
		{"company_id is an object", with("company_id", map[string]any{"id": 7}), wrongType},
		{"company_id is false", with("company_id", false), wrongType},
		{"email is a list", with("email", []string{"a@example.com"}), wrongType},
		{"email with NUL", with("email", "a\x00@example.com"), wrongType},
		{"role would break a header", with("role", "a\r\nX-Role: root"), wrongType},
	}
	verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			identity, refusal := verifier.Verify(t.Context(), test.token)
			if got := answerOf(t, refusal); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if identity != nil {
				t.Errorf("identity %+v", identity)
			}
		})
	}
}

// signedText returns a signed token with any text.
func signedText(t testing.TB, method jwt.SigningMethod, key any, header, payload string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	signature, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// nextSpelling changes bits of the last character that decoding drops: a
// lenient decoder reads the same signature.
func nextSpelling(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + alphabet[last+1:last+2]
}

func TestVerifyAccepts(t *testing.T) {
	verifier := NewVerifier(keystest.NewRing(t, authtest.Secret, "an older secret, of thirty-two bytes too", "an even older one, and long enough too"), nil, authtest.AtNoon)
	hs256 := jwt.SigningMethodHS256
	for name, token := range map[string]string{
		"plain":                   authtest.Signed(t, authtest.Claims(nil)),
		"exp in a second":         authtest.Signed(t, authtest.Claims(jwt.MapClaims{"exp": authtest.Noon.Unix() + 1})),
		"exp with a fraction":     authtest.Signed(t, authtest.Claims(jwt.MapClaims{"exp": float64(authtest.Noon.Unix()) + 0.5})),
		"nbf in 29 s":             authtest.Signed(t, authtest.Claims(jwt.MapClaims{"nbf": authtest.Noon.Unix() + 29})),
		"iat in 29 s":             authtest.Signed(t, authtest.Claims(jwt.MapClaims{"iat": authtest.Noon.Unix() + 29})),
		"no iat":                  authtest.Signed(t, authtest.Claims(jwt.MapClaims{"iat": nil})),
		"brings its key":          authtest.SignedWith(t, hs256, []byte(authtest.Secret), authtest.Claims(nil), map[string]any{"jwk": map[string]any{"kty": "oct", "k": "AAAA"}, "x5c": []string{"AAAA"}}),
		"says where its key is":   authtest.SignedWith(t, hs256, []byte(authtest.Secret), authtest.Claims(nil), map[string]any{"jku": "https://evil.example.com/", "x5u": "https://evil.example.com/"}),
		"another type":            authtest.SignedWith(t, hs256, []byte(authtest.Secret), authtest.Claims(nil), map[string]any{"typ": "at+jwt"}),
		"key id is not looked at": authtest.SignedWith(t, hs256, []byte(authtest.Secret), authtest.Claims(nil), map[string]any{"kid": "../../etc/passwd"}),
		"punctuation in text":     authtest.Signed(t, authtest.Claims(jwt.MapClaims{"name": `{"a":"b\\\\"}, [`, "more": map[string]any{"a": map[string]any{"a": []int{1}}}})),
		"no role but a list":      authtest.Signed(t, authtest.Claims(jwt.MapClaims{"role": []string{"admin"}})),
		"no role but an object":   authtest.Signed(t, authtest.Claims(jwt.MapClaims{"role": map[string]any{"a": 1}})),
		"previous secret":         authtest.SignedWith(t, hs256, []byte("an older secret, of thirty-two bytes too"), authtest.Claims(nil), nil),
		"the one before":          authtest.SignedWith(t, hs256, []byte("an even older one, and long enough too"), authtest.Claims(nil), nil),
	} {
		t.Run(name, func(t *testing.T) {
			identity, refusal := verifier.Verify(t.Context(), token)
			if refusal != nil {
				t.Fatal(refusal)
			}
			if identity.Role != "" || identity.UserID != authtest.Claims(nil)["sub"] || identity.CompanyID != authtest.Acme.String() || identity.Email != "ann@example.com" {
				t.Errorf("identity %+v", identity)
			}
		})
	}
}

// A number becomes its text, because issuers number their users, beyond the
// precision of a float.
func TestNumbersAreText(t *testing.T) {
	verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon)
	for _, number := range []string{"7", "0", "-1", "9007199254740993", "123456789012345678901234567890", "1.50", "1e3"} {
		token := authtest.Signed(t, authtest.Claims(jwt.MapClaims{"sub": json.Number(number), "company_id": json.Number(number), "email": json.Number(number), "role": json.Number(number)}))
		identity, refusal := verifier.Verify(t.Context(), token)
		if refusal != nil {
			t.Fatalf("%s: %v", number, refusal)
		}
		for _, got := range []string{identity.UserID, identity.CompanyID, identity.Email, identity.Role, identity.Claim("sub")} {
			if got != number {
				t.Errorf("%s has become %s", number, got)
			}
		}
	}
}

// The Verifier accepts the Signer's tokens until they expire.
func TestSigner(t *testing.T) {
	ring := keystest.NewRing(t, authtest.Secret)
	id := uuid.New()
	for _, company := range []*uuid.UUID{nil, &authtest.Acme} {
		token, err := NewSigner(ring, time.Hour, authtest.AtNoon).Token(id, "ann@example.com", company)
		if err != nil {
			t.Fatal(err)
		}
		identity, refusal := NewVerifier(ring, nil, authtest.AtNoon).Verify(t.Context(), token)
		if refusal != nil {
			t.Fatal(refusal)
		}
		want := map[string]string{
			"sub": id.String(), "email": "ann@example.com", "company_id": "", "role": "",
			"iat": "1773489600", "exp": "1773493200",
		}
		if company != nil {
			want["company_id"] = company.String()
		}
		got := map[string]string{}
		for name := range want {
			got[name] = identity.Claim(name)
		}
		if !maps.Equal(got, want) {
			t.Errorf("claims = %v, want %v", got, want)
		}
		later := NewVerifier(ring, nil, func() time.Time { return authtest.Noon.Add(time.Hour) })
		if _, refusal := later.Verify(t.Context(), token); refusal != refuseExpired {
			t.Errorf("an hour later: %+v", refusal)
		}
	}
}

// FuzzVerify requires a signed identity or a 401 for every token.
func FuzzVerify(f *testing.F) {
	key := authtest.NewEd25519(f)
	header := map[string]any{"kid": "a"}
	ours, theirs := authtest.Signed(f, authtest.Claims(nil)), authtest.SignedWith(f, jwt.SigningMethodEdDSA, key, authtest.IssuerClaims(nil), header)
	f.Add(ours)
	f.Add(theirs)
	f.Add(nextSpelling(ours))
	f.Add(signedText(f, jwt.SigningMethodHS256, []byte(key.Public().(ed25519.PublicKey)), `{"alg":"HS256","kid":"a"}`, `{"iss":"`+authtest.IssuerName+`"}`))
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	verifier := verifierOf(f, authtest.Listed(testkit.TempFile(f, "keys", authtest.JWKS(f, authtest.NamedKey{ID: "a", Key: key}))))
	for _, token := range []string{ours, theirs} {
		expectRefusal(f, verifier, token, nil)
	}
	f.Fuzz(func(t *testing.T, token string) {
		identity, refusal := verifier.Verify(t.Context(), token)
		switch {
		case (identity == nil) == (refusal == nil):
			t.Errorf("identity %+v, refusal %+v", identity, refusal)
		case refusal == nil && token != ours && token != theirs:
			t.Errorf("%q is accepted", token)
		case refusal != nil && refusal.Status != 401:
			t.Errorf("refusal %+v", refusal)
		}
	})
}
