// This file has a type for values that nobody may see.

package settings

import (
	"fmt"
	"io"
	"log/slog"

	"gatehouse/config/problem"
)

// Secret holds a text that no log, message or dump may show. The zero value
// means no secret. It holds a pointer because fmt cannot call the methods of a
// value in an unexported field, and would print a string there.
type Secret struct{ text *string }

// NewSecret returns a secret with the text. An empty text is no secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text itself. The caller must not show it.
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

// Format implements fmt.Formatter, for all verbs.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, problem.Redacted) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(problem.Redacted), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + problem.Redacted + `"`), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(problem.Redacted) }
