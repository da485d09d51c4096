package auth

import (
	"testing"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"

	"github.com/golang-jwt/jwt/v5"
)

// A claim becomes one complete header value, or none.
func TestClaim(t *testing.T) {
	verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon)
	identity, refusal := verifier.Verify(t.Context(), authtest.Signed(t, authtest.Claims(jwt.MapClaims{
		"role": "admin", "text": "två words", "big": 12345678901234567, "half": 0.5, "yes": true, "no": false,
		"broken": "a\r\nb", "spaced": " a", "list": []string{"a"}, "object": map[string]string{"a": "b"}, "null": nil,
	})))
	if refusal != nil {
		t.Fatal(refusal)
	}
	for name, want := range map[string]string{
		"sub": identity.UserID, "company_id": authtest.Acme.String(), "email": "ann@example.com", "role": "admin",
		"text": "två words", "big": "12345678901234567", "half": "0.5", "yes": "true", "no": "false",
		"broken": "", "spaced": "", "list": "", "object": "", "null": "", "absent": "",
	} {
		if got := identity.Claim(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestParseUUID(t *testing.T) {
	for text, ok := range map[string]bool{
		"9b8f7e6d-5c4b-4a39-8877-665544332222":   true,
		"9B8F7E6D-5C4B-4A39-8877-665544332222":   true,
		"9b8f7e6d5c4b4a398877665544332222":       true,
		"":                                       false,
		"9b8f7e6d":                               false,
		"{9b8f7e6d-5c4b-4a39-8877-665544332222}": false,
		"urn:uuid:9b8f7e6d-5c4b-4a39-8877-665544332222": false,
		"9b8f7e6d-5c4b-4a39-8877-66554433222g":          false,
		"9b8f7e6d5-c4b-4a39-8877-665544332222":          false,
	} {
		if _, err := ParseUUID(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
