// Values that must not be seen.

package settings

import (
	"fmt"
	"io"
	"log/slog"

	"gatehouse/config/problem"
)

// Secret holds a text that no log, message or dump may show. The zero value is
// no secret at all. It holds a pointer because fmt cannot call the methods of a
// value in an unexported field, and would print a string there.
type Secret struct{ text *string }

// NewSecret hides a text. An empty text is no secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text itself. Whoever calls it answers for where it goes.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether there is a secret.
func (s Secret) IsSet() bool { return s.text != nil }

// String implements fmt.Stringer.
func (s Secret) String() string { return problem.Redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return problem.Redacted }

// Format implements fmt.Formatter, for the verbs that ask neither of the above.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, problem.Redacted) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(problem.Redacted), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + problem.Redacted + `"`), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(problem.Redacted) }
