package auth

import (
	"net/http"
	"testing"
)

func TestBearerToken(t *testing.T) {
	for _, test := range []struct {
		values []string
		token  string
		want   answer
	}{
		{[]string{"Bearer abc"}, "abc", passes},
		{[]string{"bearer abc"}, "abc", passes},
		{[]string{"BEARER abc"}, "abc", passes},
		{[]string{"Bearer   abc "}, "abc", passes},
		{[]string{"Bearer a b"}, "a b", passes}, // no token looks like this: the Verifier says so
		{nil, "", noToken},
		{[]string{""}, "", noToken},
		{[]string{"Bearer"}, "", noToken},
		{[]string{"Bearer "}, "", noToken},
		{[]string{" Bearer abc"}, "", noToken},
		{[]string{"Bearer\tabc"}, "", noToken},
		{[]string{"Bearerabc"}, "", noToken},
		{[]string{"Basic abc"}, "", noToken},
		{[]string{"abc"}, "", noToken},
		{[]string{"Bearer abc", "Bearer abc"}, "", ambiguous},
		{[]string{"Basic abc", "Bearer abc"}, "", ambiguous},
	} {
		header := http.Header{}
		if test.values != nil {
			header["Authorization"] = test.values
		}
		token, refusal := bearerToken(header)
		if token != test.token || answerOf(t, refusal) != test.want {
			t.Errorf("%q: got %q, %+v", test.values, token, refusal)
		}
	}
}
