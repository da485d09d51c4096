package forward

import (
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// rewrite is httputil.ReverseProxy.Rewrite. It expresses what was decided; nothing in it
// can fail.
func (b *Backend) rewrite(pr *httputil.ProxyRequest) {
	a := attemptOf(pr.In.Context())
	in, out := pr.In, pr.Out

	out.URL.Scheme, out.URL.Host = b.config.Backend.Scheme, b.config.Backend.Host
	// Opaque goes out byte for byte; Path would be encoded anew.
	out.URL.Opaque = b.base + b.forwardedPath(a.t.Path.Raw)
	out.URL.RawQuery = in.URL.RawQuery // as it came, unparsable parts and all
	if b.config.PreserveHost {
		out.Host = in.Host
	} else {
		out.Host = b.config.Backend.Host
	}

	if a.hooks.Fields == nil { // or http1/transport asks for the headers
		out.Header = a.AsHeader()
	}
	a.t.passTrailers(in, out)
	if a.t.body != nil {
		a.t.body.forTransport = transportBody{out.Body, a.t.body}
		out.Body = &a.t.body.forTransport
	}
}

// forwardedPath returns the path as matched, without the prefix where the route says
// so.
func (b *Backend) forwardedPath(path string) string {
	if !b.config.StripPrefix {
		return path
	}
	if path = strings.TrimPrefix(path, strings.TrimSuffix(b.config.Prefix, "/")); path == "" {
		return "/"
	}
	return path
}

// passTrailers forwards the announced trailers whose values come after the
// body (RFC 9110 section 6.5), but none that could pass for a header of the
// gateway's own. It leaves out names that are no names and fields that may be no
// trailers, such as Host (section 6.5.1): a transport refuses the whole request
// for some of them, and the backend would be blamed.
func (t *Transfer) passTrailers(in, out *http.Request) {
	if len(in.Trailer) == 0 || t.body == nil {
		return
	}
	policy := t.backend.policy
	out.Trailer = http.Header{}
	for name := range in.Trailer {
		if httpguts.ValidHeaderFieldName(name) && httpguts.ValidTrailerHeader(name) && !policy.owned.has(name) && !policy.claimed(name) {
			out.Trailer[name] = nil
		}
	}
	t.body.trailers = func() {
		for name := range out.Trailer {
			out.Trailer[name] = validValues(in.Trailer[name])
		}
	}
}

// validValues leaves out what may not be a field's value: net/http looks at the
// values of headers alone (RFC 9110 section 5.5).
func validValues(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return !httpguts.ValidHeaderFieldValue(value) })
}
