package httperr

import (
	"strconv"
	"strings"
)

// maxQuoted bounds what is repeated of a request, in bytes.
const maxQuoted = 100

// Quote repeats a text of a request in a private cause: on one line, cut to a
// bound, and without the query of a URL.
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
