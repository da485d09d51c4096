package target

import (
	"net/http"
	"strings"

	"gatehouse/config"
	"gatehouse/internal/httperr"
)

// Redirect answers requests with the address that the client should request instead. A
// client cannot choose the host of that address: the host is in the table, or is one of
// the hosts of the route.
type Redirect struct {
	origin string // scheme and host; "" for a path
	path   string
	query  string // with its "?"; only then it replaces the query and the rest of a request
	fixed  bool   // neither the rest nor the query of a request is added
	rests  bool   // {rest} has a place
	hosts  bool   // {host} has a place
	status int
}

// NewRedirect returns the handler of a validated redirect.
func NewRedirect(cfg *config.Redirect) *Redirect {
	r := &Redirect{status: int(cfg.Status)}
	r.origin, r.path, r.query = config.SplitTarget(cfg.To)
	r.fixed = r.query != ""
	r.rests = strings.Contains(cfg.To, config.PlaceholderRest)
	r.hosts = strings.Contains(cfg.To, config.PlaceholderHost)
	return r
}

// Status returns the status of the answers.
func (r *Redirect) Status() int { return r.status }

// Answer writes the answer, and returns nil. The route's prefix must have been removed from
// the path, and the port from the host.
func (r *Redirect) Answer(w http.ResponseWriter, request *http.Request) *httperr.Error {
	header := w.Header()
	header["Location"] = []string{r.Location(request)}
	header["Content-Length"] = []string{"0"}
	w.WriteHeader(r.status)
	return nil
}

// Location returns the address that the client should request instead. The request must be
// prepared as for Answer.
func (r *Redirect) Location(request *http.Request) string {
	rest := request.URL.RawPath
	if rest == "" {
		rest = request.URL.EscapedPath()
	}
	var b strings.Builder
	b.Grow(len(r.origin) + len(r.path) + len(rest) + len(request.URL.RawQuery) + len(request.Host) + 2)
	r.writeOrigin(&b, request.Host)
	r.writePath(&b, rest, request.Host)
	switch {
	case r.fixed:
		r.writeQuery(&b, rest, request.Host)
	case request.URL.RawQuery != "":
		b.WriteByte('?')
		writeEscaped(&b, request.URL.RawQuery, isQueryByte)
	}
	return b.String()
}

// writeOrigin writes the scheme and the host.
func (r *Redirect) writeOrigin(b *strings.Builder, host string) {
	if strings.Contains(host, ":") { // an IPv6 address
		host = "[" + host + "]"
	}
	for literal, placeholder := range pieces(r.origin) {
		b.WriteString(literal)
		if placeholder == config.PlaceholderHost {
			writeEscaped(b, host, isHostByte)
		}
	}
}

// writePath writes the path. Exactly one slash begins it, because browsers read two as the
// beginning of a host.
func (r *Redirect) writePath(b *strings.Builder, rest, host string) {
	below := strings.TrimLeft(rest, `/\`)
	if r.rests || r.fixed || rest == "" {
		writeTemplate(b, r.path, below, host)
		return
	}
	writeTemplate(b, strings.TrimSuffix(r.path, "/"), "", host)
	b.WriteByte('/')
	writeEscaped(b, below, isPathByte)
}

// writeTemplate writes a path with its placeholders. Where a placeholder is empty or ends
// with a slash, the slash behind it is left out, so that two slashes never meet.
func writeTemplate(b *strings.Builder, path, below, host string) {
	slash := false // the path so far ends with a slash
	for literal, placeholder := range pieces(path) {
		if slash {
			literal = strings.TrimPrefix(literal, "/")
		}
		b.WriteString(literal)
		slash = slash && literal == "" || strings.HasSuffix(literal, "/")
		switch placeholder {
		case config.PlaceholderRest:
			writeEscaped(b, below, isPathByte)
			slash = slash && below == "" || strings.HasSuffix(below, "/")
		case config.PlaceholderHost:
			writeEscaped(b, host, isHostByte)
			slash = slash && host == ""
		}
	}
}

// writeQuery writes the query of the table. A client cannot add a parameter to it.
func (r *Redirect) writeQuery(b *strings.Builder, rest, host string) {
	if r.query == "?" { // only says that nothing is added
		return
	}
	for literal, placeholder := range pieces(r.query) {
		b.WriteString(literal)
		switch placeholder {
		case config.PlaceholderRest:
			writeEscaped(b, strings.TrimLeft(rest, `/\`), isValueByte)
		case config.PlaceholderHost:
			writeEscaped(b, host, isHostByte)
		}
	}
}

// pieces yields the literal parts of a text, each with the placeholder after it. The
// placeholder is "" at the end.
func pieces(text string) func(yield func(literal, placeholder string) bool) {
	return func(yield func(literal, placeholder string) bool) {
		for {
			at, found := len(text), ""
			for _, placeholder := range [...]string{config.PlaceholderRest, config.PlaceholderHost} {
				if i := strings.Index(text, placeholder); i >= 0 && i < at {
					at, found = i, placeholder
				}
			}
			if !yield(text[:at], found) || found == "" {
				return
			}
			text = text[at+len(found):]
		}
	}
}
