package forward

import (
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/rewrite"
)

// rewrite is the Rewrite of httputil.ReverseProxy. It applies what was decided before.
// Nothing in it can fail.
func (b *Backend) rewrite(pr *httputil.ProxyRequest) {
	a := attemptOf(pr.In.Context())
	in, out := pr.In, pr.Out

	out.URL.Scheme, out.URL.Host = a.to.Scheme, a.to.Host
	// Opaque is sent byte for byte. net/http would encode Path again.
	out.URL.Opaque = b.base + a.t.path
	out.URL.RawQuery = in.URL.RawQuery // httputil drops the parts that it cannot parse
	if b.config.PreserveHost {
		out.Host = in.Host
	} else {
		out.Host = a.to.Name
	}

	if a.hooks.Fields == nil { // or http1/transport asks for the headers
		out.Header = a.AsHeader()
	}
	a.t.passTrailers(in, out)
	if a.t.body != nil {
		out.Body = a.t.body.forAttempt(out.Body)
	}
}

// forwardedPath returns the path that the backend gets, without the base. It returns a
// refusal for a path that cannot be rewritten.
func (b *Backend) forwardedPath(path string) (string, *httperr.Error) {
	if b.rewritten != nil {
		if len(path) > rewrite.MaxPath {
			return "", refuseLongPath
		}
		path, ok := b.rewritten.Apply(path)
		if !ok {
			return "", refuseRewrite
		}
		return path, nil
	}
	if !b.config.StripPrefix {
		return path, nil
	}
	if path = strings.TrimPrefix(path, strings.TrimSuffix(b.config.Prefix, "/")); path == "" {
		return "/", nil
	}
	return path, nil
}

// passTrailers forwards the trailers that the client has announced. Their values come
// after the body (RFC 9110 section 6.5). It omits trailers that look like the gateway's
// own headers. It also omits invalid names and fields that are not allowed in trailers,
// such as Host (section 6.5.1). For some of those a transport refuses the whole request,
// and the backend would get the blame.
func (t *Transfer) passTrailers(in, out *http.Request) {
	if len(in.Trailer) == 0 || t.body == nil {
		return
	}
	policy := t.backend.policy
	out.Trailer = http.Header{}
	for name := range in.Trailer {
		if httpguts.ValidHeaderFieldName(name) && httpguts.ValidTrailerHeader(name) && !policy.owned.Has(name) && !policy.claimed(name) && !t.replaces(name) {
			out.Trailer[name] = nil
		}
	}
	t.body.trailers = func() {
		for name := range out.Trailer {
			out.Trailer[name] = validValues(in.Trailer[name])
		}
	}
}

// validValues returns the values without invalid ones (RFC 9110 section 5.5). net/http
// checks the values of headers, but not those of trailers.
func validValues(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return !httpguts.ValidHeaderFieldValue(value) })
}
