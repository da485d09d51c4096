package rewrite

import (
	"net/http"
	"net/url"
	"strings"

	"gatehouse/config"
	"gatehouse/config/pathexp"
	"gatehouse/proxy/route"
)

// Back maps paths of a backend back to those of the clients, in Location and
// Content-Location (RFC 9110 sections 10.2.2 and 8.7) and in the paths of cookies (RFC 6265
// section 4.1.2.4). It only changes what it is certain of, and leaves all other values byte
// for byte. It never changes. The nil Back changes nothing.
//
// A path is certain when it is at or below the base path of the backend's URL, or when the
// route strips its prefix. The path of a rewrite without groups is certain when only one
// path of a client leads to it.
type Back struct {
	scheme, host string // of the backend's URL, in lower case; host has no port
	port         string // as in the URL
	clientHost   bool   // the backend may call itself by the client's Host
	base         string // of the backend's paths; "" stands for all paths
	front        string // what clients write instead of base; "" for no prefix
	rewritten    *Path  // nil without `rewrite`
	made         string // the backend's path that the rewrite makes, with the base; "" without
	from         string // the only path of clients that leads to made; "" when there are others
}

// NewBack returns the Back of a validated route, or nil when there is nothing to map or
// nothing is certain. rewritten is the route's rewrite, or nil.
func NewBack(cfg *config.Route, rewritten *Path) *Back {
	if !bool(cfg.RewriteLocation) || rewritten != nil && rewritten.to.HasGroups() {
		return nil
	}
	server := cfg.Backend.First()
	b := &Back{
		scheme: strings.ToLower(server.Scheme), host: strings.ToLower(server.Hostname()), port: server.Port(),
		base: strings.TrimSuffix(server.EscapedPath(), "/"), rewritten: rewritten,
	}
	b.clientHost = cfg.PreserveHost || b.base != ""
	if cfg.StripPrefix {
		b.front = strings.TrimSuffix(cfg.Prefix, "/")
	}
	if rewritten != nil {
		b.made = b.base + rewritten.to.Start()
		b.from, _ = rewritten.from.Literal()
	}
	if b.base == b.front && (b.from == "" || b.from == b.made) {
		return nil
	}
	return b
}

// Map maps the addresses in the header of an answer. clientHost is the Host that the
// client has asked for.
func (b *Back) Map(header http.Header, clientHost string) {
	for _, name := range [...]string{"Location", "Content-Location"} {
		for i, value := range header[name] {
			if mapped, ok := b.Location(value, clientHost); ok {
				header[name][i] = mapped
			}
		}
	}
	for i, value := range header["Set-Cookie"] {
		if mapped, ok := b.Cookie(value); ok {
			header["Set-Cookie"][i] = mapped
		}
	}
}

// Location returns the address for the client instead of the backend's. ok is false when
// it must stay as it is: it is relative, belongs to another host, or is not certain.
func (b *Back) Location(address, clientHost string) (mapped string, ok bool) {
	path, tail := address, ""
	if end := strings.IndexAny(address, "?#"); end >= 0 {
		path, tail = address[:end], address[end:]
	}
	origin := ""
	if scheme, rest, isURL := cutScheme(path); isURL {
		authority := rest
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			authority, path = rest[:slash], rest[slash:]
		} else {
			path = "/"
		}
		switch {
		case b.isOwn(scheme, authority):
		case b.clientHost && clientHost != "" && strings.EqualFold(authority, clientHost):
			origin = address[:strings.Index(address, "//")+2+len(authority)]
		default:
			return "", false
		}
	}
	path, ok = b.path(path)
	return origin + path + tail, ok
}

// cutScheme splits an address with a host into its scheme and what follows the two slashes.
// The scheme is empty when the address has none.
func cutScheme(address string) (scheme, rest string, ok bool) {
	if rest, ok = strings.CutPrefix(address, "//"); ok {
		return "", rest, true
	}
	scheme, rest, ok = strings.Cut(address, "://")
	scheme = strings.ToLower(scheme)
	return scheme, rest, ok && (scheme == "http" || scheme == "https")
}

// isOwn reports whether a host, perhaps with a port, is that of the backend. The scheme
// may differ: a backend that reads X-Forwarded-Proto takes the client's.
func (b *Back) isOwn(scheme, authority string) bool {
	parsed, err := url.Parse("//" + authority)
	if err != nil || parsed.User != nil || !strings.EqualFold(parsed.Hostname(), b.host) {
		return false
	}
	if scheme == "" {
		scheme = b.scheme
	}
	port := parsed.Port()
	return port == b.port || portOf(scheme, port) == portOf(b.scheme, b.port)
}

func portOf(scheme, port string) string {
	switch {
	case port != "":
		return port
	case scheme == "https":
		return "443"
	}
	return "80"
}

// Cookie returns a Set-Cookie field with the client's path instead of the backend's. ok is
// false when it must stay as it is.
func (b *Back) Cookie(field string) (mapped string, ok bool) {
	pair, attributes, _ := strings.Cut(field, ";")
	// Browsers drop a cookie with this prefix when its path is another than "/".
	if name := strings.TrimLeft(pair, " \t"); len(name) >= 7 && strings.EqualFold(name[:7], "__Host-") {
		return "", false
	}
	var out strings.Builder
	out.WriteString(pair)
	for attribute := range strings.SplitSeq(attributes, ";") {
		out.WriteByte(';')
		name, value, _ := strings.Cut(attribute, "=")
		if strings.EqualFold(strings.Trim(name, " \t"), "Path") {
			if path, certain := b.cookiePath(strings.Trim(value, " \t")); certain {
				out.WriteString(name + "=" + path)
				ok = true
				continue
			}
		}
		out.WriteString(attribute)
	}
	return out.String(), ok
}

// cookiePath returns the path of a cookie for the client. A slash at the end would exclude
// the prefix itself (RFC 6265 section 5.1.4).
func (b *Back) cookiePath(path string) (string, bool) {
	mapped, ok := b.path(path)
	if b.front != "" && mapped == b.front+"/" {
		return b.front, ok
	}
	return mapped, ok
}

// path returns the client's path for a path of the backend. ok is false when it is not
// certain. Both are canonical, so that a mapped path never begins with two slashes, which
// browsers read as the beginning of a host.
func (b *Back) path(path string) (mapped string, ok bool) {
	if parsed, ok := route.ParsePath(path); !ok || parsed.Raw != path {
		return "", false
	}
	if b.rewritten != nil && path == b.made {
		return b.from, b.from != ""
	}
	if b.rewritten != nil && len(path) > MaxPath { // it would cost too much to match
		return "", false
	}
	// A path that clients could already use stays, unless the base says more about it.
	if b.base == b.front || b.front != "" && len(b.front) >= len(b.base) && isBelow(path, b.front) || !isBelow(path, b.base) {
		return "", false
	}
	mapped = b.front + path[len(b.base):]
	if mapped == "" {
		mapped = "/"
	}
	// A client that asked for such a path would be sent elsewhere.
	return mapped, b.rewritten == nil || !b.rewritten.from.Matches(pathexp.Normal(mapped))
}

// isBelow reports whether a path is at or below a prefix without a slash at its end.
func isBelow(path, prefix string) bool {
	rest, found := strings.CutPrefix(path, prefix)
	return found && (rest == "" || rest[0] == '/')
}
