// Tests of what looks like a secret.

package problem

import "testing"

func FuzzDetectSecret(f *testing.F) {
	for _, text := range []string{"", "eyJhbGciOi.eyJzdWIi.x", "Bearer abcdefgh12345678", "/a?token=12345678", "Xk29fLq0ZpB7vR4tYw8NcD3mJs6aGe1aaaa", "sk-1", "//"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if what := DetectSecret(text); what != "" && Redact(text) != Redacted {
			t.Errorf("%q holds %s, and becomes %q", text, what, Redact(text))
		}
	})
}
