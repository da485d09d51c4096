package httperr

import (
	"strconv"
	"strings"
)

// maxQuoted bounds the part of a request's text that is repeated, in bytes.
const maxQuoted = 100

// Quote returns a text of a request for a private cause: on one line,
// shortened, and without the query of a URL.
func Quote(text string) string {
	text, _, hasQuery := strings.Cut(text, "?")
	if len(text) > maxQuoted {
		return strconv.Quote(text[:maxQuoted]) + "…"
	}
	if hasQuery {
		return strconv.Quote(text) + "…"
	}
	return strconv.Quote(text)
}
